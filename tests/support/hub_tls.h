#pragma once
// An authority, a server certificate for 127.0.0.1 and localhost, and a client certificate, made anew for
// each test run; nothing secret lies in the tree.

#include <string>

namespace emprops::test {

struct TestCertificates {
    std::string authority_pem;
    std::string server_pem;
    std::string server_key_pem;
    std::string client_pem;
    std::string client_key_pem;
};
/// `names`: whom the server's and the client's are for.
TestCertificates make_test_certificates(const char* names = "DNS:localhost,IP:127.0.0.1,IP:::1");

}  // namespace emprops::test
