#pragma once
// The worker connection: when it is made and under which id, whether the Hub has welcomed us or refused our
// token, how long the pause is after it ended. Pure; owned by the session, which tells the other machines of
// a connection's beginning and end.

#include <optional>
#include <string>

#include "supervisor/base/time.h"
#include "supervisor/hub/id_conflict.h"
#include "supervisor/hub/reconnect_policy.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

class Connection {
  public:
    using Link = jobs::LinkView::Link;

    /// Both must outlive the connection.
    Connection(const SessionSettings& settings, Wire& wire);

    void start(TimePoint now);
    /// Nothing is connected again. What is connected says `leaving` and is closed.
    void stop();
    void on_connected(TimePoint now);
    /// The Hub has said something that is no error. True: it was the first such message of this connection.
    bool on_welcome(TimePoint now);
    /// Its first message was that our token is wrong.
    void on_token_refused(const std::string& text);
    /// It ended or could not be made. `owing`: jobs run here or outcomes wait. An attempt follows, unless the
    /// worker should leave.
    void on_disconnected(TimePoint now, const std::string& reason, bool owing);
    /// The next connection has another token: one that was refused is not waited for any longer.
    void token_changed(TimePoint now);
    /// Ends it, to come back at once under a fresh id.
    void renew();
    /// Nothing runs here and no outcome waits: a worker whose token is refused has no reason to stay.
    void leave_if_refused();

    /// Now and then, for one that lives long: what was suspected of those before it is over.
    void settle(TimePoint now);
    /// Why the Hub ends one connection after the other, if a cause is likely, and what to do; empty: it does not.
    std::string suspicion() const;

    bool stopped() const { return stopped_; }
    bool connected() const { return link_ == Link::connected; }
    bool welcomed() const { return welcomed_; }
    TimePoint welcomed_at() const { return welcomed_at_; }
    /// How long ago the Hub welcomed us; nullopt: it has not, on this connection.
    std::optional<Ms> welcomed_for(TimePoint now) const;
    /// Its part of the operator's view.
    void show(jobs::LinkView& view) const;

  private:
    void connect_after(TimePoint now, Ms delay);
    void set(Link link);
    void on_refused(TimePoint now, bool owing);

    const SessionSettings& settings_;
    Wire& wire_;
    Link link_ = Link::waiting;
    bool stopped_ = false;
    bool welcomed_ = false;
    bool ever_welcomed_ = false;
    bool auth_refused_ = false;
    bool told_to_leave_ = false;
    bool renewing_ = false;  ///< it ends for a fresh id
    std::string last_error_;
    TimePoint connected_at_{};
    TimePoint welcomed_at_{};
    TimePoint attempt_at_{};
    ReconnectPolicy reconnects_;
    IdConflict conflict_;
    int short_connections_ = 0;  ///< welcomed ones in a row that ended soon
};

}  // namespace emprops::hub
