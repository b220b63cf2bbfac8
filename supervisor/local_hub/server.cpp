#include "supervisor/local_hub/server.h"

#include <fmt/format.h>

#include "supervisor/local_hub/http_session.h"

namespace emprops::local_hub {

Result<> Server::Impl::open() {
    ErrorCode error;
    const auto host = settings.listen == "localhost" ? "127.0.0.1" : settings.listen;
    const auto address = asio::ip::make_address(host, error);
    if (error) {
        return Error{"listen_failed",
                     fmt::format("local_hub.listen = \"{}\" is no IP address", settings.listen)};
    }
    loopback_only = address.is_loopback();
    if (!loopback_only && settings.token.empty()) {
        return Error{"token_required",
                     fmt::format("local_hub.listen = \"{}\" lets other machines in: set local_hub.token, or "
                                 "listen on 127.0.0.1",
                                 settings.listen)};
    }
    const tcp::endpoint endpoint(address, settings.port);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
        return Error{
            "address_in_use",
            fmt::format("{}:{} is in use: another hub runs there, or another program; stop it or set "
                        "local_hub.port",
                        settings.listen, settings.port)};
    }
    if (error) {
        return Error{"listen_failed", fmt::format("cannot listen on {}:{}: {}", settings.listen,
                                                  settings.port, error.message())};
    }
    accept_next();
    return Ok{};
}

void Server::Impl::accept_next() {
    acceptor.async_accept([self = shared_from_this()](ErrorCode error, tcp::socket socket) {
        if (self->stopped) return;
        if (error) {  // out of descriptors, most likely
            logger("local_hub")->warn("cannot accept a connection: {}", error.message());
            self->timer.expires_after(200ms);
            self->timer.async_wait([self](ErrorCode) {
                if (!self->stopped) self->accept_next();
            });
            return;
        }
        if (self->connections < self->settings.max_connections) {
            ErrorCode ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            std::make_shared<HttpSession>(self, std::move(socket))->read_next();
        } else {
            logger("local_hub")->warn("refused a connection: there are {} already", self->connections);
        }
        self->accept_next();
    });
}

bool Server::Impl::takes(IncomingBudget::Holder holder, std::uint64_t held) {
    bool taken = true;
    for (const auto victim : incoming.hold(holder, held, Clock::now())) {
        taken = taken && victim != holder;
        if (const auto found = give_up.find(victim); found != give_up.end()) found->second(victim != holder);
    }
    return taken;
}

void Server::Impl::drop_the_slowest() {
    std::shared_ptr<WsSession> slowest;
    for (const auto& [id, session] : sessions)
        if (!slowest || session->queued_bytes() > slowest->queued_bytes()) slowest = session;
    if (slowest) slowest->drop_unread();
}

void Server::Impl::stop() {
    if (std::exchange(stopped, true)) return;
    ErrorCode ignored;
    acceptor.close(ignored);
    for (auto* session : http_sessions)
        session->cut();
    const auto open = sessions;
    for (const auto& [id, session] : open)
        session->close(1012, "", true);
    if (open.empty()) return void(timer.cancel());
    timer.expires_after(goodbye_timeout);
    timer.async_wait([open](ErrorCode) {
        for (const auto& [id, session] : open)
            session->cut();
    });
}

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
    stop();
}

Result<std::unique_ptr<Server>> Server::listen(asio::any_io_executor executor, ServerSettings settings,
                                               ServerEvents events) {
    auto impl = std::make_shared<Impl>(std::move(executor), std::move(settings), std::move(events));
    if (auto opened = impl->open(); !opened.ok()) return opened.error();
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const {
    ErrorCode error;
    return impl_->acceptor.local_endpoint(error).port();
}

void Server::send(ConnectionId connection, std::vector<std::string> frames) {
    const auto found = impl_->sessions.find(connection);
    if (found == impl_->sessions.end()) return;
    const auto session = found->second;  // send() may drop it
    session->send(std::move(frames));
}

void Server::close(ConnectionId connection, std::uint16_t code, const std::string& reason) {
    const auto found = impl_->sessions.find(connection);
    if (found == impl_->sessions.end()) return;
    found->second->close(code, reason, true);
}

void Server::close_all(std::uint16_t code, const std::string& reason) {
    const auto open = impl_->sessions;
    for (const auto& [id, session] : open)
        session->close(code, reason, true);
}

void Server::stop() {
    impl_->stop();
}

}  // namespace emprops::local_hub
