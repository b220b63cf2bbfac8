#include "connectors/stores/settings/secrets.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "ipc/text/nearest.h"
#include "ipc/text/values.h"

namespace emprops::stores {
namespace {

constexpr std::streamsize longest_secret = 64 * 1024;
Error unusable(const std::string& key, const std::string& why) {
    return {"configuration", key + ": " + why};
}

Result<std::string> read_text(const std::string& key, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return unusable(key, "the file " + path + " cannot be read: " + std::strerror(errno));
    std::string text(static_cast<std::size_t>(longest_secret), '\0');
    file.read(text.data(), longest_secret);
    if (file.gcount() == longest_secret) return unusable(key, "the file " + path + " is too large");
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

/// The members of one section of an ini file.
std::map<std::string, std::string> section_of(const std::string& text, const std::string& wanted,
                                              std::vector<std::string>& sections) {
    std::map<std::string, std::string> members;
    std::istringstream lines(text);
    bool inside = false;
    for (std::string raw; std::getline(lines, raw);) {
        const std::string_view line = text::trim(raw);
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        if (line.front() == '[') {
            std::string_view name = text::trim(line.substr(1, line.find(']') - 1));
            if (name.starts_with("profile ")) name = text::trim(name.substr(8));
            sections.emplace_back(name);
            inside = name == wanted;
            continue;
        }
        const std::size_t equals = line.find('=');
        if (!inside || equals == std::string_view::npos) continue;
        members[text::lower(text::trim(line.substr(0, equals)))] = text::trim(line.substr(equals + 1));
    }
    return members;
}

Result<AwsKeys> keys_of_profile(const S3Settings& settings) {
    const auto text = read_text("credentials_file", settings.credentials_file);
    if (!text.ok()) return text.error();
    std::vector<std::string> sections;
    const auto members = section_of(*text, settings.profile, sections);
    const auto member = [&](const char* name) {
        const auto found = members.find(name);
        return found == members.end() ? std::string() : found->second;
    };
    AwsKeys keys{member("aws_access_key_id"), member("aws_secret_access_key"), member("aws_session_token")};
    if (!keys.access_key.empty() && !keys.secret_key.empty()) return keys;
    const auto meant = text::meant(settings.profile, sections);
    return unusable("credentials_file",
                    settings.credentials_file + " has no aws_access_key_id and aws_secret_access_key" +
                        " in [" + settings.profile + "]" +
                        (members.empty() && meant ? "; did you mean profile = \"" + *meant + "\"?" : ""));
}

Result<std::string> secret_now(const std::string& key, const std::string& path) {
    const auto text = read_text(key, path);
    if (!text.ok()) return text.error();
    const std::string secret(text::trim(*text));
    if (secret.empty()) return unusable(key, "the file " + path + " is empty");
    if (secret.find_first_of("\r\n") != std::string::npos || secret.find('\0') != std::string::npos)
        return unusable(key, "the file " + path + " has more than one line");
    return secret;
}

Result<std::map<std::string, std::string>> headers_now(const std::string& key, const std::string& path) {
    const auto text = read_text(key, path);
    if (!text.ok()) return text.error();
    std::map<std::string, std::string> headers;
    std::istringstream lines(*text);
    int number = 0;
    for (std::string raw; std::getline(lines, raw);) {
        ++number;
        const std::string_view line = text::trim(raw);
        if (line.empty() || line.front() == '#') continue;
        const std::size_t colon = line.find(':');
        const std::string_view name = text::trim(line.substr(0, colon));
        if (colon == std::string_view::npos || name.empty() || name.find(' ') != std::string_view::npos)
            return unusable(key, path + ", line " + std::to_string(number) + ", is not \"Name: value\"");
        headers[std::string(name)] = text::trim(line.substr(colon + 1));
    }
    return headers;
}

}  // namespace

Result<std::string> read_secret(const std::string& key, const std::string& path) {
    return read_twice([&] { return secret_now(key, path); });
}

Result<std::string> secret_of(const std::string& value, const std::string& key, const std::string& path) {
    if (path.empty()) return value;
    return read_secret(key, path);
}

Result<std::map<std::string, std::string>> read_headers(const std::string& key, const std::string& path) {
    return read_twice([&] { return headers_now(key, path); });
}

Result<AwsKeys> aws_keys_of(const S3Settings& settings) {
    if (!settings.credentials_file.empty()) return read_twice([&] { return keys_of_profile(settings); });
    const auto access = secret_of(settings.access_key, "access_key_file", settings.access_key_file);
    if (!access.ok()) return access.error();
    const auto secret = secret_of(settings.secret_key, "secret_key_file", settings.secret_key_file);
    if (!secret.ok()) return secret.error();
    const auto token = secret_of(settings.session_token, "session_token_file", settings.session_token_file);
    if (!token.ok()) return token.error();
    return AwsKeys{*access, *secret, *token};
}

}  // namespace emprops::stores
