#include "tests/support/redis_server.h"

#include <hiredis/hiredis.h>

#include <csignal>
#include <stdexcept>

#include "tests/support/free_ports.h"

namespace emprops::test {
namespace {

redis::Reply value_of(const redisReply* from) {
    using Kind = redis::Reply::Kind;
    redis::Reply out;
    switch (from->type) {
        case REDIS_REPLY_INTEGER:
            out.kind = Kind::number;
            out.number = from->integer;
            break;
        case REDIS_REPLY_STRING:
        case REDIS_REPLY_STATUS:
            out.kind = Kind::text;
            out.text.assign(from->str, from->len);
            break;
        case REDIS_REPLY_ERROR:
            out.kind = Kind::error;
            out.text.assign(from->str, from->len);
            break;
        case REDIS_REPLY_ARRAY:
            out.kind = Kind::list;
            for (std::size_t i = 0; i < from->elements; ++i)
                out.list.push_back(value_of(from->element[i]));
            break;
        default:
            break;
    }
    return out;
}

}  // namespace

RedisServer::RedisServer(RedisServerOptions options) : options_(std::move(options)), port_(free_ports()) {
    start();
}

RedisServer::~RedisServer() {
    if (client_ != nullptr) redisFree(client_);
}

std::string RedisServer::url() const {
    return "redis://127.0.0.1:" + std::to_string(port_);
}

void RedisServer::start() {
    // The program looks at the name that it was called by.
    ChildOptions child;
    child.argv = {"bash",
                  "-c",
                  "exec -a redis-server \"$(command -v redis-check-rdb)\" \"$@\"",
                  "redis-server",
                  "--port",
                  std::to_string(port_),
                  "--bind",
                  "127.0.0.1",
                  "--save",
                  "",
                  "--dir",
                  folder_.path().string(),
                  "--appendonly",
                  options_.append_only ? "yes" : "no",
                  "--appendfsync",
                  "always"};
    child.argv.insert(child.argv.end(), options_.more.begin(), options_.more.end());
    child_ = std::make_unique<ChildProcess>(std::move(child));
    if (!wait_until([this] {
            connect();
            return client_ != nullptr && client_->err == 0;
        }))
        throw std::runtime_error("redis-server does not answer: " + child_->stderr_text());
}

void RedisServer::connect() {
    if (client_ != nullptr) redisFree(client_);
    client_ = redisConnectWithTimeout("127.0.0.1", port_, timeval{5, 0});
}

void RedisServer::kill() {
    child_->signal(SIGKILL);
    child_->wait();
}

redis::Reply RedisServer::ask(const redis::Command& command) {
    std::vector<const char*> words;
    std::vector<std::size_t> sizes;
    for (const std::string& word : command) {
        words.push_back(word.data());
        sizes.push_back(word.size());
    }
    auto* reply = static_cast<redisReply*>(
        redisCommandArgv(client_, static_cast<int>(words.size()), words.data(), sizes.data()));
    if (reply == nullptr) throw std::runtime_error(std::string("no answer of Redis: ") + client_->errstr);
    const redis::Reply value = value_of(reply);
    freeReplyObject(reply);
    return value;
}

std::vector<std::pair<std::string, std::string>> RedisServer::hash(const std::string& key) {
    const redis::Reply pairs = ask({"HGETALL", key});
    std::vector<std::pair<std::string, std::string>> out;
    for (std::size_t i = 0; i + 1 < pairs.list.size(); i += 2)
        out.emplace_back(pairs.list[i].text, pairs.list[i + 1].text);
    return out;
}

std::string RedisServer::field(const std::string& key, const std::string& name) {
    return ask({"HGET", key, name}).text;
}

void RedisServer::submit(const std::string& id, const std::string& service, const std::string& payload,
                         std::vector<std::pair<std::string, std::string>> more) {
    std::vector<std::pair<std::string, std::string>> fields{{"id", id},
                                                            {"service_required", service},
                                                            {"priority", "50"},
                                                            {"payload", payload},
                                                            {"requirements", ""},
                                                            {"customer_id", "c1"},
                                                            {"created_at", "2026-11-29T18:08:22.119Z"},
                                                            {"status", "pending"},
                                                            {"retry_count", "0"},
                                                            {"max_retries", "3"},
                                                            {"workflow_id", ""}};
    for (auto& each : more) {
        std::erase_if(fields, [&](const auto& field) { return field.first == each.first; });
        fields.push_back(std::move(each));
    }
    redis::Command set{"HSET", "job:" + id};
    for (const auto& [name, value] : fields) {
        set.push_back(name);
        set.push_back(value);
    }
    ask(set);
    ask({"ZADD", "jobs:pending", std::to_string(50'000'000'000'000'000 - 8 * ++submitted_), id});
    ask({"PUBLISH", "job_submitted",
         R"({"job_id":")" + id + R"(","service_required":")" + service + R"("})"});
}

}  // namespace emprops::test
