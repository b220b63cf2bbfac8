#include "tests/support/comfyui_double.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdio>
#include <deque>
#include <fstream>
#include <future>
#include <iterator>
#include <set>
#include <thread>

#include "tests/support/comfyui_input_folder.h"
#include "tests/support/free_ports.h"

namespace emprops::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Json = nlohmann::json;
using Ms = std::chrono::milliseconds;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

namespace {

std::string replace_all(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; !what.empty() && (at = text.find(what, at)) != std::string::npos;
         at += with.size()) {
        text.replace(at, what.size(), with);
    }
    return text;
}

std::string url_decode(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::map<std::string, std::string> query_of(const std::string& target) {
    std::map<std::string, std::string> out;
    const auto mark = target.find('?');
    if (mark == std::string::npos) return out;
    std::string rest = target.substr(mark + 1) + "&";
    for (std::size_t end = 0; (end = rest.find('&')) != std::string::npos; rest.erase(0, end + 1)) {
        const std::string pair = rest.substr(0, end);
        const auto equals = pair.find('=');
        if (equals != std::string::npos) out[pair.substr(0, equals)] = url_decode(pair.substr(equals + 1));
    }
    return out;
}

std::string event(const char* type, Json data) {
    return Json{{"type", type}, {"data", std::move(data)}}.dump();
}

/// An entry of a history's status.messages: a pair. (Braces alone would make an object of the list.)
Json said(const char* type, Json data) {
    return Json::array({type, std::move(data)});
}

}  // namespace

ComfyScript good_script(const Json& outputs) {
    ComfyScript script;
    const auto add = [&](int at, const char* type, Json data) {
        data["prompt_id"] = "$ID";
        script.messages.push_back({Ms{at}, event(type, std::move(data)), {}});
    };
    const auto state = [](const char* id, double value, bool finished) {
        return Json{{"value", value},
                    {"max", 1.0},
                    {"state", finished ? "finished" : "running"},
                    {"node_id", id},
                    {"prompt_id", "$ID"},
                    {"display_node_id", id},
                    {"parent_node_id", nullptr},
                    {"real_node_id", id}};
    };
    add(0, "execution_start", {{"timestamp", 1000}});
    add(0, "execution_cached", {{"nodes", Json::array()}, {"timestamp", 1000}});
    add(5, "progress_state", {{"nodes", {{"1", state("1", 0, false)}}}});
    add(5, "executing", {{"node", "1"}, {"display_node", "1"}});
    add(20, "progress_state", {{"nodes", {{"1", state("1", 1, true)}, {"2", state("2", 0, false)}}}});
    add(20, "executing", {{"node", "2"}, {"display_node", "2"}});
    add(30, "executed",
        {{"node", "2"}, {"display_node", "2"}, {"output", outputs.value("2", Json::object())}});
    add(30, "progress_state", {{"nodes", {{"1", state("1", 1, true)}, {"2", state("2", 1, true)}}}});
    add(30, "execution_success", {{"timestamp", 1030}});
    script.history = {
        {"outputs", outputs},
        {"meta", Json::object()},
        {"status",
         {{"status_str", "success"},
          {"completed", true},
          {"messages",
           Json::array({said("execution_start", {{"prompt_id", "$ID"}, {"timestamp", 1000}}),
                        said("execution_cached",
                             {{"prompt_id", "$ID"}, {"nodes", Json::array()}, {"timestamp", 1000}}),
                        said("execution_success", {{"prompt_id", "$ID"}, {"timestamp", 1030}})})}}}};
    return script;
}

ComfyScript partly_failing_script(const Json& outputs) {
    ComfyScript script = good_script(outputs);
    script.messages.resize(7);
    const Json error = {{"prompt_id", "$ID"},         {"node_id", "1"},
                        {"node_type", "Detailer"},    {"exception_type", "ValueError"},
                        {"traceback", Json::array()}, {"exception_message", "no face found"}};
    script.history["status"]["status_str"] = "error";
    script.history["status"]["messages"][2] = Json::array({"execution_error", error});
    return script;
}

ComfyScript script_of(const RecordedPrompt& prompt, Ms longest_pause) {
    ComfyScript script;
    script.status = prompt.status;
    script.answer = prompt.answer;
    Ms at{0};
    double last = prompt.messages.empty() ? 0 : prompt.messages.front().t;
    for (const RecordedMessage& message : prompt.messages) {
        if (message.text.find("\"node\":null,\"prompt_id\"") != std::string::npos)
            continue;  // the engine sends it
        at += std::min(longest_pause, Ms{static_cast<long>((message.t - last) * 1000)});
        last = message.t;
        script.messages.push_back({at, replace_all(message.text, prompt.id, "$ID"), {}});
    }
    if (prompt.history.is_object()) {
        script.history = Json::parse(replace_all(prompt.history.dump(), prompt.id, "$ID"));
    }
    if (prompt.vanished) script.forget_at = at + Ms{20};
    return script;
}

ComfyScript endless_script() {
    ComfyScript script = good_script(Json::object());
    script.messages.resize(4);
    script.history = nullptr;
    return script;
}

struct ComfyDouble::Impl {
    struct WsSession;
    struct Prompt {
        std::string id, client_id;
        double number = 0;
        Json body;
        ComfyScript script;
        std::size_t next_message = 0;
        bool foreign = false;
    };

    ComfyDoubleOptions options;
    // Before io: what its destructor still destroys (sessions in handlers) takes itself out of these.
    std::vector<std::shared_ptr<asio::steady_timer>> timers;
    std::vector<std::shared_ptr<WsSession>> sockets;
    std::set<std::shared_ptr<tcp::socket>> connections;
    asio::io_context io{1};
    tcp::acceptor acceptor{io};
    unsigned short port = 0;
    std::thread thread;
    asio::steady_timer revival{io};
    int generation = 0;  // of the server's process: answers of an earlier one are not sent

    std::deque<ComfyScript> scripts;
    std::optional<Prompt> running;
    std::vector<Prompt> pending;
    Json history = Json::object();
    std::map<std::string, std::string> files;
    std::set<std::string> removed;
    Json object_info = {{"EmptyImage", Json::object()}, {"SaveImage", Json::object()}};
    double number = 0;

    std::vector<Json> posts, interrupts, deletes;
    std::vector<std::string> post_texts, job_cancels;
    std::vector<Upload> uploads;
    std::vector<Put> puts;
    int frees = 0;
    int unchanged = 0;
    int failing_uploads = 0;
    std::deque<std::pair<std::string, CannedAnswer>> canned;
    std::vector<std::string> requests;

    // ---- the process

    void listen() {
        acceptor.open(tcp::v4());
        // Else the connectors that a test starts hold the port open when this "process" has ended.
        fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
        acceptor.set_option(asio::socket_base::reuse_address(true));
        acceptor.bind({asio::ip::address_v4::loopback(), port});
        port = acceptor.local_endpoint().port();
        acceptor.listen();
        accept();
    }

    void accept();
    void end_process(Ms back_after);
    void revive(Ms after_time);
    void after(Ms delay, std::function<void()> what) {
        auto timer = std::make_shared<asio::steady_timer>(io, delay);
        timers.push_back(timer);
        timer->async_wait([this, timer, what = std::move(what), born = generation](error_code error) {
            timers.erase(std::remove(timers.begin(), timers.end(), timer), timers.end());
            if (!error && born == generation) what();
        });
    }

    // ---- the worker

    void broadcast_status();
    void send_to(const std::string& client_id, const std::string& text, const std::string& binary);
    void start_next();
    void enqueue(Prompt prompt);
    void play(const std::string& id);
    void end_prompt(Json entry);
    void interrupt_running();
    void say(const char* what, const std::string& prompt_id) const {
        if (options.on_prompt) options.on_prompt(what, prompt_id);
    }
    int remaining() const { return static_cast<int>(pending.size()) + (running ? 1 : 0); }

    // ---- requests

    Response answer(const Request& request, Ms& delay);
    std::optional<Response> canned_answer(const std::string& request);
    Response post_prompt(const Request& request, Ms& delay);
    Response view(const std::string& target, const std::string& if_none_match);
    Response upload(const Request& request);
    Response cancel_job(const std::string& id);
    bool remove_pending(const Json& id);
    static Response reply(http::status status, std::string body, const char* type) {
        Response response{status, 11};
        response.set(http::field::content_type, type);
        response.body() = std::move(body);
        response.prepare_payload();
        return response;
    }
    static Response json(const Json& body) {
        // ComfyUI escapes everything that is not ASCII.
        return reply(http::status::ok, body.dump(-1, ' ', true, Json::error_handler_t::replace),
                     "application/json; charset=utf-8");
    }
    static Response empty() { return reply(http::status::ok, "", "text/plain"); }
    Json item(const Prompt& prompt) const {
        return Json::array({prompt.number, prompt.id, prompt.body.value("prompt", Json::object()),
                            prompt.body.value("extra_data", Json::object()), Json::array()});
    }

    template <class F>
    auto on_thread(F what) const {
        using T = decltype(what());
        std::promise<T> done;
        auto future = done.get_future();
        asio::post(const_cast<asio::io_context&>(io), [&] {
            if constexpr (std::is_void_v<T>) {
                what();
                done.set_value();
            } else {
                done.set_value(what());
            }
        });
        return future.get();
    }
};

struct ComfyDouble::Impl::WsSession : std::enable_shared_from_this<WsSession> {
    WsSession(Impl& owner_, tcp::socket socket) : owner(owner_), ws(std::move(socket)) {}

    void start(Request request) {
        client_id = query_of(std::string(request.target()))["clientId"];
        held = std::move(request);
        ws.read_message_max(4u << 20);
        ws.async_accept(held, [self = shared_from_this()](error_code error) {
            if (error) return self->end();
            self->open = true;
            self->send(
                event("status", {{"status", {{"exec_info", {{"queue_remaining", self->owner.remaining()}}}}},
                                 {"sid", self->client_id}}),
                false);
            const auto& running = self->owner.running;
            if (running && running->client_id == self->client_id) {
                self->send(event("executing", {{"node", "1"}}), false);
            }
            self->read();
        });
    }
    void read() {
        ws.async_read(buffer, [self = shared_from_this()](error_code error, std::size_t) {
            if (error) return self->end();
            self->buffer.consume(self->buffer.size());
            self->read();
        });
    }
    void send(std::string bytes, bool binary) {
        if (!open) return;
        queue.emplace_back(std::move(bytes), binary);
        if (queue.size() == 1) write();
    }
    void write() {
        ws.binary(queue.front().second);
        ws.async_write(asio::buffer(queue.front().first),
                       [self = shared_from_this()](error_code error, std::size_t) {
                           if (error) return self->end();
                           self->queue.pop_front();
                           if (!self->queue.empty()) self->write();
                       });
    }
    void reset() {
        error_code ignored;
        ws.next_layer().set_option(asio::socket_base::linger(true, 0), ignored);
        ws.next_layer().close(ignored);
        open = false;
    }
    void end() {
        open = false;
        auto& all = owner.sockets;
        all.erase(std::remove(all.begin(), all.end(), shared_from_this()), all.end());
    }

    Impl& owner;
    websocket::stream<tcp::socket> ws;
    beast::flat_buffer buffer;
    Request held;
    std::deque<std::pair<std::string, bool>> queue;
    std::string client_id;
    bool open = false;
};

namespace {

/// One HTTP connection with keep-alive.
template <class Owner>
struct HttpSession : std::enable_shared_from_this<HttpSession<Owner>> {
    HttpSession(Owner& owner_, std::shared_ptr<tcp::socket> socket_)
        : owner(owner_), socket(std::move(socket_)), born(owner_.generation) {}
    ~HttpSession() { owner.connections.erase(socket); }

    void read() {
        parser.emplace();
        parser->body_limit(std::uint64_t{256} << 20);
        http::async_read(*socket, buffer, *parser,
                         [self = this->shared_from_this()](error_code error, std::size_t) {
                             if (!error && self->born == self->owner.generation)
                                 self->handle(self->parser->release());
                         });
    }
    void handle(Request request) {
        if (websocket::is_upgrade(request) && owner.options.websocket && allowed(request)) {
            auto session = std::make_shared<typename Owner::WsSession>(owner, std::move(*socket));
            owner.sockets.push_back(session);
            session->start(std::move(request));
            return;
        }
        Ms delay{0};
        response = allowed(request)
                       ? owner.answer(request, delay)
                       : Owner::reply(http::status::unauthorized, "<html>log in</html>", "text/html");
        response.keep_alive(request.keep_alive());
        if (delay > Ms{0}) {
            owner.after(delay, [self = this->shared_from_this()] { self->write(); });
        } else {
            write();
        }
    }
    bool allowed(const Request& request) const {
        return owner.options.authorization.empty() ||
               request[http::field::authorization] == owner.options.authorization;
    }
    void write() {
        http::async_write(*socket, response,
                          [self = this->shared_from_this()](error_code error, std::size_t) {
                              if (!error && self->response.keep_alive()) self->read();
                          });
    }

    Owner& owner;
    std::shared_ptr<tcp::socket> socket;
    int born;
    beast::flat_buffer buffer;
    std::optional<http::request_parser<http::string_body>> parser;
    Response response;
};

}  // namespace

void ComfyDouble::Impl::accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
        if (error) return;
        fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        auto held = std::make_shared<tcp::socket>(std::move(socket));
        connections.insert(held);
        std::make_shared<HttpSession<Impl>>(*this, held)->read();
        accept();
    });
}

void ComfyDouble::Impl::end_process(Ms back_after) {
    ++generation;
    error_code ignored;
    acceptor.close(ignored);
    for (const auto& session : std::vector(sockets)) {
        session->reset();
    }
    for (const auto& connection : connections) {
        connection->close(ignored);
    }
    running.reset();
    pending.clear();
    history = Json::object();
    number = 0;
    for (const auto& timer : std::vector(timers)) {
        timer->cancel();
    }
    revive(back_after);
}

void ComfyDouble::Impl::revive(Ms after_time) {
    revival.expires_after(after_time);
    revival.async_wait([this](error_code error) {
        if (error) return;
        // While nobody listened, a client's connect to this port may have got the port itself as its source.
        try {
            listen();
        } catch (const boost::system::system_error&) {
            error_code ignored_too;
            acceptor.close(ignored_too);
            revive(Ms{20});
        }
    });
}

void ComfyDouble::Impl::broadcast_status() {
    for (const auto& session : std::vector(sockets)) {
        session->send(event("status", {{"status", {{"exec_info", {{"queue_remaining", remaining()}}}}}}),
                      false);
    }
}

void ComfyDouble::Impl::send_to(const std::string& client_id, const std::string& text,
                                const std::string& binary) {
    for (const auto& session : std::vector(sockets)) {
        if (session->client_id == client_id) session->send(binary.empty() ? text : binary, !binary.empty());
    }
}

void ComfyDouble::Impl::start_next() {
    if (running || pending.empty()) return;
    const auto first = std::min_element(pending.begin(), pending.end(),
                                        [](const Prompt& a, const Prompt& b) { return a.number < b.number; });
    running = std::move(*first);
    pending.erase(first);
    say("run", running->id);
    broadcast_status();
    const ComfyScript& script = running->script;
    const std::string id = running->id;
    const auto if_running = [this, id](std::function<void()> what) {
        return [this, id, what = std::move(what)] {
            if (running && running->id == id) what();
        };
    };
    if (script.drop_sockets_at) {
        after(*script.drop_sockets_at, [this] {
            for (const auto& session : std::vector(sockets)) {
                session->reset();
            }
        });
    }
    if (script.forget_at) {
        after(*script.forget_at, if_running([this] {
            running.reset();
            broadcast_status();
            start_next();
        }));
    }
    if (script.die_at) {
        after(*script.die_at, if_running([this, back = script.back_after] { end_process(back); }));
    }
    const Ms first_at = script.messages.empty() ? Ms{0} : script.messages.front().at;
    after(first_at, [this, id] { play(id); });
}

void ComfyDouble::Impl::play(const std::string& id) {
    if (!running || running->id != id) return;
    ComfyScript& script = running->script;
    while (running->next_message < script.messages.size()) {
        const auto& message = script.messages[running->next_message++];
        send_to(running->client_id, replace_all(message.text, "$ID", id), message.binary);
        if (running->next_message < script.messages.size()) {
            const Ms pause = script.messages[running->next_message].at - message.at;
            if (pause > Ms{0}) return after(pause, [this, id] { play(id); });
        }
    }
    if (script.history.is_null()) return;
    after(script.history_delay, [this, id] {
        if (!running || running->id != id) return;
        end_prompt(Json::parse(replace_all(running->script.history.dump(), "$ID", id)));
    });
}

void ComfyDouble::Impl::end_prompt(Json entry) {
    const Prompt done = std::move(*running);
    running.reset();
    say("end", done.id);
    entry["prompt"] = item(done);
    history[done.id] = std::move(entry);
    broadcast_status();
    Ms last{0};
    for (const auto& message : done.script.late) {
        last = std::max(last, message.at);
        after(message.at, [this, message, id = done.id, client = done.client_id] {
            send_to(client, replace_all(message.text, "$ID", id), message.binary);
        });
    }
    const auto end = [this, id = done.id, client = done.client_id] {
        send_to(client, event("executing", {{"node", nullptr}, {"prompt_id", id}}), {});
        start_next();
    };
    if (done.script.late.empty()) return end();
    after(last + Ms{1}, end);
}

void ComfyDouble::Impl::interrupt_running() {
    if (!running || running->script.stuck) return;
    // Noticed at the next step of a node, not at once.
    after(Ms{30}, [this, id = running->id] {
        if (!running || running->id != id) return;
        const Json data = {{"prompt_id", id},
                           {"node_id", "1"},
                           {"node_type", "X"},
                           {"executed", Json::array()},
                           {"timestamp", 1}};
        send_to(running->client_id, event("execution_interrupted", data), {});
        end_prompt(
            {{"outputs", Json::object()},
             {"meta", Json::object()},
             {"status",
              {{"status_str", "error"},
               {"completed", false},
               {"messages", Json::array({said("execution_start", {{"prompt_id", id}, {"timestamp", 0}}),
                                         said("execution_interrupted", data)})}}}});
    });
}

void ComfyDouble::Impl::enqueue(Prompt prompt) {
    pending.push_back(std::move(prompt));
    broadcast_status();
    after(Ms{1}, [this] { start_next(); });
}

Response ComfyDouble::Impl::post_prompt(const Request& request, Ms& delay) {
    post_texts.push_back(request.body());
    Prompt prompt;
    prompt.body = Json::parse(request.body(), nullptr, false);
    posts.push_back(prompt.body);
    if (!prompt.body.is_object())
        return reply(http::status::internal_server_error, "500 Internal", "text/plain");
    prompt.id = options.own_ids ? "made-by-server-" + std::to_string(posts.size())
                                : prompt.body.value("prompt_id", "made-by-server");
    if (const auto refusal =
            ComfyInputFolder(options.input_folder).refusal(prompt.body.value("prompt", Json())))
        return reply(http::status::bad_request, refusal->dump(), "application/json; charset=utf-8");
    say("post", prompt.id);
    prompt.client_id = prompt.body.value("client_id", "");
    prompt.number = number++;
    if (scripts.empty()) {
        prompt.script = good_script(
            {{"2", {{"images", {{{"filename", "out_1.png"}, {"subfolder", ""}, {"type", "output"}}}}}}});
    } else {
        prompt.script = std::move(scripts.front());
        scripts.pop_front();
    }
    const ComfyScript& script = prompt.script;
    delay = script.answer_delay;
    const bool queue = script.status == 200 || script.queued_despite_500;
    Response response;
    if (script.status == 200) {
        Json body = {{"prompt_id", prompt.id}, {"number", prompt.number}, {"node_errors", Json::object()}};
        const Json extra = Json::parse(script.answer, nullptr, false);
        if (extra.is_object() && extra.contains("node_errors")) body["node_errors"] = extra["node_errors"];
        response = json(body);
    } else {
        const bool text = script.status == 500;
        response = reply(http::int_to_status(static_cast<unsigned>(script.status)), script.answer,
                         text ? "text/plain; charset=utf-8" : "application/json; charset=utf-8");
    }
    if (queue && script.accept_delay > Ms{0}) {
        delay = std::max(delay, script.accept_delay);
        after(script.accept_delay,
              [this, prompt = std::move(prompt)]() mutable { enqueue(std::move(prompt)); });
    } else if (queue) {
        enqueue(std::move(prompt));
    }
    return response;
}

Response ComfyDouble::Impl::view(const std::string& target, const std::string& if_none_match) {
    auto wanted = query_of(target);
    const std::string path = (wanted["type"].empty() ? "output" : wanted["type"]) + "/" +
                             wanted["subfolder"] + "/" + wanted["filename"];
    if (wanted["filename"].empty() || removed.count(path) > 0)
        return reply(http::status::not_found, "", "text/plain");
    const auto file = files.find(path);
    const std::string on_disk = options.folder + "/" + path;
    struct stat about {};
    if (file == files.end() && !options.folder.empty() && ::stat(on_disk.c_str(), &about) == 0) {
        const auto written_ns = static_cast<unsigned long long>(about.st_mtim.tv_sec) * 1'000'000'000ull +
                                static_cast<unsigned long long>(about.st_mtim.tv_nsec);
        char tag[48];
        std::snprintf(tag, sizeof tag, "\"%llx-%llx\"", written_ns,
                      static_cast<unsigned long long>(about.st_size));
        std::ifstream stream(on_disk, std::ios::binary);
        const bool same = if_none_match == tag;
        unchanged += same ? 1 : 0;
        auto response = reply(same ? http::status::not_modified : http::status::ok,
                              same ? "" : std::string{std::istreambuf_iterator<char>(stream), {}},
                              options.view_type.c_str());
        response.set(http::field::etag, tag);
        return response;
    }
    return reply(http::status::ok, file == files.end() ? "content of " + wanted["filename"] : file->second,
                 options.view_type.c_str());
}

Response ComfyDouble::Impl::upload(const Request& request) {
    const std::string type(request[http::field::content_type]);
    const auto mark = type.find("boundary=");
    if (mark == std::string::npos) return reply(http::status::bad_request, "", "text/plain");
    const std::string boundary = "--" + type.substr(mark + 9);
    Upload upload;
    const std::string& body = request.body();
    std::size_t at = body.find(boundary);
    while (at != std::string::npos) {
        const std::size_t head = at + boundary.size() + 2;
        const std::size_t blank = body.find("\r\n\r\n", head);
        const std::size_t next = body.find("\r\n" + boundary, head);
        if (blank == std::string::npos || next == std::string::npos) break;
        const std::string header = body.substr(head, blank - head);
        const std::string content = body.substr(blank + 4, next - blank - 4);
        const auto field = [&](const std::string& key) {
            const auto begin = header.find(key + "=\"");
            if (begin == std::string::npos) return std::string();
            const auto from = begin + key.size() + 2;
            return header.substr(from, header.find('"', from) - from);
        };
        const std::string name = field(" name");
        if (name == "image") {
            upload.filename = field("filename");
            upload.content = content;
        }
        if (name == "subfolder") upload.subfolder = content;
        if (name == "overwrite") upload.overwrite = content;
        if (name == "type") upload.type = content;
        at = next + 2;
    }
    if (upload.filename.empty()) return reply(http::status::bad_request, "", "text/plain");
    ComfyInputFolder(options.input_folder).put(upload.subfolder, upload.filename, upload.content);
    uploads.push_back(upload);
    return json({{"name", upload.filename}, {"subfolder", upload.subfolder}, {"type", upload.type}});
}

bool ComfyDouble::Impl::remove_pending(const Json& id) {
    return std::erase_if(pending, [&](const Prompt& prompt) { return Json(prompt.id) == id; }) > 0;
}

Response ComfyDouble::Impl::cancel_job(const std::string& id) {
    job_cancels.push_back(id);
    const bool runs = running && running->id == id;
    if (runs) interrupt_running();
    const bool waited = remove_pending(id);
    if (waited) broadcast_status();
    return json({{"cancelled", runs || waited}});
}

std::optional<Response> ComfyDouble::Impl::canned_answer(const std::string& request) {
    const auto at = std::find_if(canned.begin(), canned.end(),
                                 [&](const auto& each) { return request.rfind(each.first, 0) == 0; });
    if (at == canned.end()) return {};
    CannedAnswer& answer = at->second;
    Response response = reply(static_cast<http::status>(answer.status), answer.body, answer.type.c_str());
    for (const auto& [name, value] : answer.headers) {
        response.set(name, value);
    }
    if (--answer.times <= 0) canned.erase(at);
    return response;
}

Response ComfyDouble::Impl::answer(const Request& request, Ms& delay) {
    const std::string target(request.target());
    requests.push_back(std::string(request.method_string()) + " " + target);
    if (auto canned = canned_answer(requests.back())) return std::move(*canned);
    const std::string path = target.substr(0, target.find('?'));
    const bool post = request.method() == http::verb::post;
    if (request.method() == http::verb::put) {
        Put put{target, request.body(), {}};
        for (const auto& field : request) {
            put.headers[std::string(field.name_string())] = std::string(field.value());
        }
        puts.push_back(std::move(put));
        return empty();
    }
    const Json body = post ? Json::parse(request.body(), nullptr, false) : Json();
    if (path == "/system_stats") {
        return json({{"system",
                      {{"os", "posix"},
                       {"comfyui_version", options.version.empty() ? Json() : Json(options.version)}}},
                     {"devices",
                      {{{"name", "cpu"},
                        {"type", "cpu"},
                        {"index", nullptr},
                        {"vram_total", 1 << 30},
                        {"vram_free", 1 << 29}}}}});
    }
    if (path == "/prompt" && post) return post_prompt(request, delay);
    if (path == "/queue" && post) {
        deletes.push_back(body);
        if (body.is_object() && body.contains("delete")) {
            for (const Json& id : body["delete"]) {
                remove_pending(id);
            }
            broadcast_status();
        }
        return empty();
    }
    if (path == "/queue") {
        Json out = {{"queue_running", Json::array()}, {"queue_pending", Json::array()}};
        if (running) out["queue_running"].push_back(item(*running));
        for (const Prompt& prompt : pending) {
            out["queue_pending"].push_back(item(prompt));
        }
        return json(out);
    }
    if (path.rfind("/history/", 0) == 0) {
        const std::string id = url_decode(path.substr(9));
        return json(history.contains(id) ? Json{{id, history[id]}} : Json::object());
    }
    if (path == "/interrupt" && post) {
        interrupts.push_back(body);
        const bool named = body.is_object() && body.contains("prompt_id") && !options.global_interrupt;
        if (running && (!named || Json(running->id) == body["prompt_id"])) interrupt_running();
        return empty();
    }
    const std::string jobs = "/api/jobs/", cancel = "/cancel";
    if (options.jobs_api && post && path.starts_with(jobs) && path.ends_with(cancel))
        return cancel_job(url_decode(path.substr(jobs.size(), path.size() - jobs.size() - cancel.size())));
    if (path == "/features" && options.max_upload > 0) {
        return json({{"supports_preview_metadata", true},
                     {"max_upload_size", static_cast<double>(options.max_upload)}});
    }
    if (path == "/free" && post) {
        ++frees;
        return empty();
    }
    if (path == "/view") return view(target, std::string(request[http::field::if_none_match]));
    if (path == "/upload/image" && post && failing_uploads > 0) {
        --failing_uploads;
        return reply(http::status::service_unavailable, "busy", "text/plain");
    }
    if (path == "/upload/image" && post && options.max_upload > 0 &&
        request.body().size() > options.max_upload)
        return reply(http::status::payload_too_large, "Maximum request body size exceeded", "text/plain");
    if (path == "/upload/image" && post) return upload(request);
    if (path == "/object_info") return json(object_info);
    if (path.rfind("/object_info/", 0) == 0) {
        const std::string name = url_decode(path.substr(13));
        return json(object_info.contains(name) ? Json{{name, object_info[name]}} : Json::object());
    }
    if (path == "/models") return json(Json::array({"checkpoints", "loras"}));
    if (path == "/models/checkpoints") return json(Json::array({"tiny.safetensors"}));
    if (path.rfind("/models/", 0) == 0) return json(Json::array());
    return reply(http::status::not_found, "404: Not Found", "text/plain");
}

ComfyDouble::ComfyDouble(ComfyDoubleOptions options) : impl_(std::make_unique<Impl>()) {
    impl_->options = std::move(options);
    impl_->port = impl_->options.port != 0 ? impl_->options.port : free_ports();
    impl_->listen();
    impl_->thread = std::thread([this] {
        const auto work = asio::make_work_guard(impl_->io);
        impl_->io.run();
    });
}

ComfyDouble::~ComfyDouble() {
    impl_->io.stop();
    impl_->thread.join();
    impl_->timers.clear();
    impl_->sockets.clear();
    impl_->connections.clear();
}

std::string ComfyDouble::url() const {
    return "http://127.0.0.1:" + std::to_string(impl_->port);
}
void ComfyDouble::add_script(ComfyScript script) {
    impl_->on_thread([&] { impl_->scripts.push_back(std::move(script)); });
}
void ComfyDouble::set_file(const std::string& path, std::string content) {
    impl_->on_thread([&] { impl_->files[path] = std::move(content); });
}
void ComfyDouble::remove_file(const std::string& path) {
    impl_->on_thread([&] { impl_->removed.insert(path); });
}
void ComfyDouble::set_object_info(Json info) {
    impl_->on_thread([&] { impl_->object_info = std::move(info); });
}
void ComfyDouble::fail_uploads(int number) {
    impl_->on_thread([&] { impl_->failing_uploads = number; });
}
void ComfyDouble::answer(const std::string& request, CannedAnswer answer) {
    impl_->on_thread([&] { impl_->canned.emplace_back(request, std::move(answer)); });
}
void ComfyDouble::answer_itself() {
    impl_->on_thread([&] { impl_->canned.clear(); });
}
std::vector<std::string> ComfyDouble::requests() const {
    return impl_->on_thread([&] { return impl_->requests; });
}
void ComfyDouble::run_foreign(const std::string& prompt_id) {
    impl_->on_thread([&] {
        Impl::Prompt prompt;
        prompt.id = prompt_id;
        prompt.script = endless_script();
        prompt.body = Json::object();
        impl_->pending.push_back(std::move(prompt));
        impl_->start_next();
    });
}
void ComfyDouble::die(Ms back_after) {
    impl_->on_thread([&] { impl_->end_process(back_after); });
}
void ComfyDouble::drop_sockets() {
    impl_->on_thread([&] {
        for (const auto& session : std::vector(impl_->sockets)) {
            session->reset();
        }
    });
}
std::vector<Json> ComfyDouble::posts() const {
    return impl_->on_thread([&] { return impl_->posts; });
}
std::vector<std::string> ComfyDouble::post_texts() const {
    return impl_->on_thread([&] { return impl_->post_texts; });
}
std::vector<Json> ComfyDouble::interrupts() const {
    return impl_->on_thread([&] { return impl_->interrupts; });
}
std::vector<Json> ComfyDouble::deletes() const {
    return impl_->on_thread([&] { return impl_->deletes; });
}
std::vector<std::string> ComfyDouble::job_cancels() const {
    return impl_->on_thread([&] { return impl_->job_cancels; });
}
int ComfyDouble::unchanged() const {
    return impl_->on_thread([&] { return impl_->unchanged; });
}
int ComfyDouble::frees() const {
    return impl_->on_thread([&] { return impl_->frees; });
}
std::vector<ComfyDouble::Upload> ComfyDouble::uploads() const {
    return impl_->on_thread([&] { return impl_->uploads; });
}
std::vector<ComfyDouble::Put> ComfyDouble::puts() const {
    return impl_->on_thread([&] { return impl_->puts; });
}
std::vector<std::string> ComfyDouble::running() const {
    return impl_->on_thread(
        [&] { return impl_->running ? std::vector{impl_->running->id} : std::vector<std::string>{}; });
}
std::size_t ComfyDouble::sent_messages() const {
    return impl_->on_thread([&] { return impl_->running ? impl_->running->next_message : std::size_t{0}; });
}
std::vector<std::string> ComfyDouble::pending() const {
    return impl_->on_thread([&] {
        std::vector<std::string> ids;
        for (const auto& prompt : impl_->pending) {
            ids.push_back(prompt.id);
        }
        return ids;
    });
}
int ComfyDouble::sockets() const {
    return impl_->on_thread([&] { return static_cast<int>(impl_->sockets.size()); });
}

}  // namespace emprops::test
