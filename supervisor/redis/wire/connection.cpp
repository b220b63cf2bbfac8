#include "supervisor/redis/wire/connection.h"

#include <array>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/time/clock.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/timer.h"
#include "supervisor/base/turn.h"
#include "supervisor/hub/dialer.h"
#include "supervisor/hub/tls_context.h"

namespace emprops::redis {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = asio::ssl;
using ErrorCode = boost::system::error_code;

namespace {
constexpr std::size_t read_at_once = 64 * 1024;
}

/// A connection and its end; what is under way keeps `Line` alive, and speaks to nobody once it is not the current one.
struct Connection::Impl : std::enable_shared_from_this<Impl> {
    struct Line : std::enable_shared_from_this<Line> {
        Line(const asio::any_io_executor& executor, std::shared_ptr<ssl::context> context)
            : tls_context(std::move(context)), socket(executor), deadline(executor) {
            if (tls_context) tls.emplace(socket, *tls_context);
        }
        template <class Use>
        void with_stream(Use use) {
            if (tls)
                use(*tls);
            else
                use(socket);
        }
        std::shared_ptr<ssl::context> tls_context;
        beast::tcp_stream socket;
        std::optional<ssl::stream<beast::tcp_stream&>> tls;
        std::shared_ptr<hub::Dialer> dialer;
        Timer deadline;
        std::string waiting, writing;
        std::array<char, read_at_once> buffer;
        std::string certificate_names;
        bool open = false, is_writing = false;
        TimePoint heard{};
    };

    Impl(asio::any_io_executor given, config::HubSettings hub, Handlers all)
        : executor(std::move(given)),
          settings(std::move(hub)),
          handlers(std::move(all)),
          flush(
              executor, [this] { write(); }, Turn::When::at_rest) {}

    /// For handlers of this line: nothing happens when another one has begun, or none is there any more.
    template <class Handler>
    auto guarded(std::shared_ptr<Line> of, Handler handler) {
        return [weak = weak_from_this(), of = std::move(of),
                handler = std::move(handler)](auto&&... arguments) mutable {
            const auto self = weak.lock();
            if (self && self->line == of) handler(std::forward<decltype(arguments)>(arguments)...);
        };
    }

    void connect(const hub::Target& to) {
        target = to;
        std::shared_ptr<ssl::context> context;
        if (target.tls) {
            auto made = hub::make_tls(settings);
            if (!made.ok()) return fail_later(made.error().message);
            context = std::move(made).value();
        }
        line = std::make_shared<Line>(executor, std::move(context));
        line->dialer =
            std::make_shared<hub::Dialer>(line->socket, target, std::nullopt, settings.connect_timeout);
        line->dialer->start(guarded(line, [this](const std::string& failure) {
            if (!failure.empty()) return end(failure);
            line->tls ? shake_hands() : opened();
        }));
    }

    void shake_hands() {
        auto& stream = *line->tls;
        line->deadline.expires_after(settings.connect_timeout);
        line->deadline.async_wait(guarded(line, [this](ErrorCode error) {
            if (!error)
                end("no TLS connection to " + target.authority() + " within " +
                    human_duration(settings.connect_timeout));
        }));
        if (settings.tls_verify) {
            hub::expect_host(stream.native_handle(), target.host);
            stream.set_verify_callback([of = line.get()](bool accepted, ssl::verify_context& context) {
                if (!accepted) of->certificate_names = hub::names_of_another_host(context);
                return accepted;
            });
        }
        stream.async_handshake(ssl::stream_base::client, guarded(line, [this](ErrorCode error) {
                                   if (!error) return opened();
                                   end("no TLS connection to " + target.authority() + ": " +
                                       hub::tls_failure(settings, target, line->tls->native_handle(), error,
                                                        line->certificate_names));
                               }));
    }

    void opened() {
        line->open = true;
        line->heard = Clock::now();
        read();
        watch();
        handlers.connected();
    }

    /// Who is asked and says nothing is not there.
    void watch() {
        line->deadline.expires_after(settings.idle_timeout / 4);
        line->deadline.async_wait(guarded(line, [this](ErrorCode error) {
            if (error) return;
            if (Clock::now() - line->heard > settings.idle_timeout)
                return end("Redis has not answered for " + human_duration(settings.idle_timeout));
            // Nobody may have asked anything for a while: a PING tells whether somebody is there.
            if (Clock::now() - line->heard > settings.idle_timeout / 2) send(pipeline.ping());
            watch();
        }));
    }

    void read() {
        line->with_stream([this](auto& stream) {
            stream.async_read_some(
                asio::buffer(line->buffer),
                guarded(line, [this](ErrorCode error, auto size) {  // Beast says it as an int, too
                    if (error) return end("the connection to Redis ended: " + error.message());
                    took(static_cast<std::size_t>(size));
                }));
        });
    }

    void took(std::size_t size) {
        const auto of = line;
        of->heard = Clock::now();
        auto pushed = pipeline.take(std::string_view(of->buffer.data(), size));
        if (line != of) return;  // an answer has ended it
        if (!pushed.ok()) return end(pushed.error().message);
        for (Pipeline::Pushed& each : *pushed) {
            handlers.pushed(std::move(each));
            if (line != of) return;
        }
        read();
    }

    void send(std::string bytes) {
        line->waiting += bytes;
        flush.request();
    }

    void write() {
        if (!line || !line->open || line->is_writing || line->waiting.empty()) return;
        line->is_writing = true;
        line->writing = std::exchange(line->waiting, {});
        line->with_stream([this](auto& stream) {
            asio::async_write(stream, asio::buffer(line->writing),
                              guarded(line, [this](ErrorCode error, auto) {
                                  line->is_writing = false;
                                  if (error) return end("the connection to Redis ended: " + error.message());
                                  write();
                              }));
        });
    }

    void fail_later(const std::string& why) {
        later(executor, lifetime.guard([this, why, of = line] {
            if (line == of) end(why);
        }));
    }

    void end(const std::string& why) {
        drop_line();
        pipeline.lose(why);
        handlers.closed(why);
    }

    void drop_line() {
        const auto old = std::exchange(line, nullptr);
        if (!old) return;
        if (old->dialer) old->dialer->stop();
        old->deadline.cancel();
        ErrorCode ignored;
        old->socket.socket().close(ignored);
    }

    asio::any_io_executor executor;
    config::HubSettings settings;
    Handlers handlers;
    hub::Target target;
    Pipeline pipeline;
    std::shared_ptr<Line> line;
    Turn flush;
    Lifetime lifetime;
};

Connection::Connection(asio::any_io_executor executor, config::HubSettings settings, Handlers handlers)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(settings), std::move(handlers))) {}

Connection::~Connection() {
    impl_->drop_line();
}

void Connection::connect(const hub::Target& target) {
    impl_->drop_line();
    impl_->connect(target);
}

void Connection::ask(const Command& command, Pipeline::Then then) {
    if (!impl_->line || !impl_->line->open)
        return later(impl_->executor, impl_->lifetime.guard([then = std::move(then)] {
            then(lost_reply("there is no connection to Redis"));
        }));
    impl_->send(impl_->pipeline.ask(command, std::move(then)));
}

void Connection::subscribe(const std::vector<std::string>& channels) {
    if (impl_->line && impl_->line->open) impl_->send(impl_->pipeline.subscribe(channels));
}

void Connection::close(const std::string& why) {
    if (impl_->line) impl_->fail_later(why);
}

void Connection::drop() {
    impl_->drop_line();
    impl_->pipeline.lose("the link was closed");
}

bool Connection::is_quiet() const {
    return impl_->pipeline.waiting() == 0 &&
           (!impl_->line || (impl_->line->waiting.empty() && !impl_->line->is_writing));
}

}  // namespace emprops::redis
