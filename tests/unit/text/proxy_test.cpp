#include "ipc/web/proxy.h"

#include <gtest/gtest.h>

#include "ipc/web/host.h"

namespace emprops::web {
namespace {

TEST(NoProxy, KnowsNetworksAddressesAndTheirBeginnings) {
    for (const char* entry : {"192.0.2.0/24", "10.0.0.0/8,192.0.2.0/30", "192.0.2.", "192.0.*", "192.0.2.2",
                              "192.0.2.2:8001", "*", "x, 192.0.2.0/24", "x 192.0.2.2", "192.0.0.0/15"})
        EXPECT_TRUE(is_without_proxy(entry, "192.0.2.2", 8001)) << entry;
    for (const char* entry : {"192.0.3.0/24", "192.0.2.0/33", "192.0.2.0/x", "192.0.2.4/30", "92.0.2.2",
                              "192.0.2", "192.0.2.2:80", "192.0.20.", "0.2.2", "", " , ", "fd00::/8"})
        EXPECT_FALSE(is_without_proxy(entry, "192.0.2.2", 8001)) << entry;
    EXPECT_TRUE(is_without_proxy("0.0.0.0/0", "8.8.8.8", 80));
}

TEST(NoProxy, KnowsIpv6WithAndWithoutBrackets) {
    for (const char* entry :
         {"fd00::2", "[fd00::2]", "FD00:0::2", "[fd00::2]:8001", "fd00::/8", "[fd00::]/8"})
        EXPECT_TRUE(is_without_proxy(entry, "fd00::2", 8001)) << entry;
    for (const char* entry : {"fd00::3", "[fd00::2]:80", "fe00::/8", "192.0.2.0/24", "::/x"})
        EXPECT_FALSE(is_without_proxy(entry, "fd00::2", 8001)) << entry;
    EXPECT_TRUE(is_without_proxy("fe80::1", "fe80::1%25eth0", 1));
}

TEST(NoProxy, KnowsNamesAndDomainsAndTheirLastDot) {
    for (const char* entry :
         {"hub.corp", "HUB.CORP.", ".corp", "corp", "corp.", "*.corp", "hub.corp:8001", "hub.*"})
        EXPECT_TRUE(is_without_proxy(entry, "Hub.corp", 8001)) << entry;
    for (const char* entry : {"orp", "hub", "hub.corp:80", "*.hub.corp", "hub.corp.x", ".", "192.0.2.0/24"})
        EXPECT_FALSE(is_without_proxy(entry, "hub.corp", 8001)) << entry;
    EXPECT_TRUE(is_without_proxy("corp", "hub.corp.", 1)) << "a name may end in a dot";
}

TEST(ProxyEnvironment, LeavesThisMachineOut) {
    const ProxyEnvironment environment{"s:1", "p:2", ""};
    for (const char* host : {"localhost", "127.0.0.7", "::1", "box.localhost"})
        EXPECT_EQ(environment.proxy_for(true, host, 443), "") << host;
    EXPECT_EQ(environment.proxy_for(true, "127.example.org", 443), "s:1") << "a name, not an address";
    EXPECT_EQ(environment.proxy_for(false, "128.0.0.1", 80), "p:2");
}

}  // namespace
}  // namespace emprops::web
