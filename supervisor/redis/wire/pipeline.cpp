#include "supervisor/redis/wire/pipeline.h"

#include <hiredis/hiredis.h>

#include <utility>

#include "ipc/text/people.h"

namespace emprops::redis {

/// hiredis tells of each element as it is read; what becomes of it is ours. It wants one pointer for each, which is
/// null for "no memory": then it gives up.
struct Pipeline::Building {
    std::size_t most_elements = 0;
    std::size_t elements = 0;
    Reply root;

    static Reply* place(const redisReadTask* task) {
        auto* building = static_cast<Building*>(task->privdata);
        if (++building->elements > building->most_elements) return nullptr;
        if (task->parent == nullptr) {
            building->root = Reply{};
            return &building->root;
        }
        auto* parent = static_cast<Reply*>(task->parent->obj);
        return &parent->list[static_cast<std::size_t>(task->idx)];
    }
    static void* text(const redisReadTask* task, char* bytes, std::size_t size) {
        Reply* reply = place(task);
        if (reply == nullptr) return nullptr;
        reply->kind = task->type == REDIS_REPLY_ERROR ? Reply::Kind::error : Reply::Kind::text;
        reply->text.assign(bytes, size);
        return reply;
    }
    template <class Count>
    static void* list(const redisReadTask* task, Count count) {
        Reply* reply = place(task);
        auto* building = static_cast<Building*>(task->privdata);
        if (reply == nullptr || static_cast<std::size_t>(count) > building->most_elements) return nullptr;
        reply->kind = Reply::Kind::list;
        reply->list.resize(static_cast<std::size_t>(count));
        return reply;
    }
    static void* number(const redisReadTask* task, long long value) {
        Reply* reply = place(task);
        if (reply == nullptr) return nullptr;
        reply->kind = Reply::Kind::number;
        reply->number = value;
        return reply;
    }
    static void* nil(const redisReadTask* task) { return place(task); }
    static void keep(void*) {}  // the values are parts of `root`

    static redisReplyObjectFunctions& functions() {
        static redisReplyObjectFunctions all = [] {
            redisReplyObjectFunctions made{};
            made.createString = text;
            made.createArray = list;  // its count is an int in hiredis 0.14 and a size_t since 1.0
            made.createInteger = number;
            made.createNil = nil;
            made.freeObject = keep;
            return made;
        }();
        return all;
    }
};

namespace {

std::string bytes_of(const Command& command) {
    std::vector<const char*> words;
    std::vector<std::size_t> sizes;
    for (const std::string& word : command) {
        words.push_back(word.data());
        sizes.push_back(word.size());
    }
    char* formatted = nullptr;
    const long long size =
        redisFormatCommandArgv(&formatted, static_cast<int>(words.size()), words.data(), sizes.data());
    if (size < 0) return {};
    std::string bytes(formatted, static_cast<std::size_t>(size));
    redisFreeCommand(formatted);
    return bytes;
}

bool is_push(const Reply& reply) {
    if (reply.kind != Reply::Kind::list || reply.list.size() < 3) return false;
    const std::string& kind = reply.list[0].text;
    return kind == "message" || kind == "subscribe" || kind == "unsubscribe";
}

}  // namespace

Pipeline::Pipeline(PipelineLimits limits) : limits_(limits), building_(std::make_unique<Building>()) {
    building_->most_elements = limits.reply_elements;
    reset();
}

Pipeline::~Pipeline() {
    redisReaderFree(reader_);
}

void Pipeline::reset() {
    if (reader_ != nullptr) redisReaderFree(reader_);
    reader_ = redisReaderCreateWithFunctions(&Building::functions());
    reader_->privdata = building_.get();
    building_->elements = 0;
    fed_bytes_ = 0;
    subscribed_ = false;
}

std::string Pipeline::ask(const Command& command, Then then) {
    waiting_.push_back(std::move(then));
    return bytes_of(command);
}

std::string Pipeline::subscribe(const std::vector<std::string>& channels) {
    subscribed_ = true;
    Command command{"SUBSCRIBE"};
    command.insert(command.end(), channels.begin(), channels.end());
    return bytes_of(command);
}

std::string Pipeline::ping() {
    // A connection that subscribes answers with a list that is no message: there it is nobody's.
    if (!subscribed_) return ask({"PING"}, [](const Reply&) {});
    return bytes_of({"PING"});
}

Result<std::vector<Pipeline::Pushed>> Pipeline::take(std::string_view bytes) {
    std::vector<Pushed> pushed;
    if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK)
        return Error{"bad_reply", std::string("Redis's answer cannot be kept: ") + reader_->errstr};
    fed_bytes_ += bytes.size();
    for (;;) {
        void* whole = nullptr;
        if (redisReaderGetReply(reader_, &whole) != REDIS_OK)
            return Error{"bad_reply", std::string("Redis's answer cannot be understood: ") + reader_->errstr};
        if (whole == nullptr) break;
        Reply reply = std::move(building_->root);
        building_->elements = 0;
        fed_bytes_ = 0;
        if (waiting_.empty() || (subscribed_ && is_push(reply))) {
            if (reply.at(0) == "message") pushed.push_back({reply.at(1), reply.at(2)});
            if (reply.kind == Reply::Kind::error) return Error{"bad_reply", reply.text};
            continue;
        }
        Then then = std::move(waiting_.front());
        waiting_.pop_front();
        then(std::move(reply));
    }
    if (fed_bytes_ > limits_.reply_bytes)
        return Error{"bad_reply", "an answer of Redis has more than " + human_bytes(limits_.reply_bytes)};
    return pushed;
}

void Pipeline::lose(const std::string& why) {
    reset();
    // A callback may ask again, which belongs to the next connection.
    auto missing = std::exchange(waiting_, {});
    for (Then& then : missing)
        then(lost_reply(why));
}

}  // namespace emprops::redis
