// The hub link over real sockets: a scripted hub on loopback, TLS, an HTTP proxy, and a relay that breaks
// things.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "supervisor/hub/hub_link.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/hub_double.h"
#include "tests/support/temp_dir.h"

namespace emprops::hub {
namespace {

using jobs::Assigned;
using jobs::AuthRefused;
using jobs::Delivered;
using jobs::JobCancelled;
using jobs::NotDelivered;
using jobs::PlaceReleased;
using jobs::PlaceWanted;
using test::FaultProxy;
using test::HubDouble;
using test::until;
using testing::HasSubstr;

/// The worker's side: one slot for jobs of type "sim".
struct OneSlot {
    int free = 1;
    bool reserve(const std::string& type) { return type == "sim" && free > 0 && free-- > 0; }
    jobs::Room room() const {
        auto capacity = std::make_shared<jobs::Capacity>();
        capacity->job_types = {"sim"};
        if (free > 0) capacity->free_slots["sim"] = free;
        return {capacity, false};
    }
};

class HubLinkTest : public testing::Test {
  protected:
    HubLinkTest() {
        settings.id_base = "w";
        settings.proxy_environment = {};
        settings.hub.host = "127.0.0.1";
        settings.hub.reconnect_min = Ms(20);
        settings.hub.reconnect_max = Ms(100);
    }

    void start(std::uint16_t port) {
        settings.hub.port = port;
        jobs::LinkCallbacks callbacks;
        callbacks.on_event = [this](jobs::LinkEvent action) {
            if (auto* wish = std::get_if<PlaceWanted>(&action))
                link->place(wish->job_id,
                            desk.reserve(wish->job_type) ? jobs::Place::slot : jobs::Place::none);
            if (std::holds_alternative<PlaceReleased>(action)) ++desk.free;
            if (auto* note = std::get_if<Note>(&action)) notes += note->text + "\n";
            if (auto* refused = std::get_if<AuthRefused>(&action)) auth_refused = *refused;
            if (auto* done = std::get_if<Delivered>(&action)) delivered.push_back(done->job_id);
            if (auto* lost = std::get_if<NotDelivered>(&action)) not_delivered.push_back(lost->reason);
            if (auto* cancel = std::get_if<JobCancelled>(&action)) cancelled.push_back(cancel->job_id);
            if (auto* job = std::get_if<Assigned>(&action)) jobs_given.push_back(job->assignment);
        };
        callbacks.room = [this] { return desk.room(); };
        auto created = make_hub_link(io.get_executor(), settings, callbacks);
        ASSERT_TRUE(created.ok()) << created.error().message;
        link = std::move(*created);
        link->start();
    }

    bool connected() const { return link->metrics().connections > 0; }

    /// Offer, claim, assignment over the wire.
    void give_job(HubDouble& hub, const std::string& job, const std::string& params = R"({"x": 1.10})") {
        auto peer = hub.peer("/ws/worker/");
        ASSERT_TRUE(peer);
        peer->send(R"({"type":"job_available","job_id":")" + job +
                   R"(","job_type":"sim","job_request_payload":{}})");
        ASSERT_TRUE(until(io, [&] { return peer->count(R"("claim_job")") > 0; }));
        peer->send(R"({"type":"job_assigned","job_id":")" + job +
                   R"(","job_type":"sim","priority":0,"params":)" + params + "}");
        ASSERT_TRUE(until(io, [&] { return !jobs_given.empty() && jobs_given.back().job_id == job; }));
    }
    void finish(const std::string& result) {
        const auto& job = jobs_given.back();
        ++desk.free;
        link->deliver({job.job_id, job.number, jobs::Completed{ipc::RawJson{result}}});
    }
    /// Answers acks and questions as a hub that holds the job for worker `id_of`.
    static void answer_as_hub(HubDouble& hub, const std::function<std::string()>& id_of) {
        hub.on_frame = [id_of](HubDouble::Peer& peer, const std::string& text) {
            const auto frame = ipc::Json::parse(text, nullptr, false);
            const std::string job = frame.value("job_id", "");
            if (frame.value("type", "") == "complete_job")
                peer.send(R"({"type":"job_completed_ack","job_id":")" + job + "\"}");
            if (frame.value("type", "") == "request_job_status")
                peer.send(R"({"type":"response_job_status","job_id":")" + job +
                          R"(","status":"claimed","worker_id":")" + id_of() + "\"}");
        };
    }

    boost::asio::io_context io;
    HubLinkSettings settings;
    OneSlot desk;
    std::unique_ptr<jobs::JobLink> link;
    std::string notes;
    std::optional<AuthRefused> auth_refused;
    std::vector<std::string> delivered;
    std::vector<std::string> not_delivered;
    std::vector<std::string> cancelled;
    std::vector<jobs::Assignment> jobs_given;
};

TEST_F(HubLinkTest, AJobGoesThereAndBackByteForByte) {
    HubDouble hub(io);
    settings.hub.token = "s p&ce";
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    auto peer = hub.peer("/ws/worker/w-");
    ASSERT_TRUE(peer);
    EXPECT_THAT(peer->path, ::testing::EndsWith("?token=s%20p%26ce"));
    EXPECT_THAT(link->address(), ::testing::Not(::testing::HasSubstr("token")));
    answer_as_hub(hub, [] { return ""; });
    const std::string odd = R"({"b":1.10,"a":1e5,"s":18446744073709551616})";
    give_job(hub, "j1", odd);
    EXPECT_EQ(jobs_given.back().payload.text(), odd);
    finish(odd);
    ASSERT_TRUE(until(io, [&] { return delivered == std::vector<std::string>{"j1"}; }));
    EXPECT_EQ(peer->count("\"result\":" + odd), 1);
    EXPECT_THAT(notes, ::testing::Not(::testing::HasSubstr("p&ce")));
}

TEST_F(HubLinkTest, AHubThatIsDownIsTriedUntilItIsThere) {
    HubDouble hub(io);
    FaultProxy relay(io, hub.port());
    relay.faults.refuse = true;
    start(relay.port());
    ASSERT_TRUE(until(io, [&] { return relay.connections() >= 3; }));
    EXPECT_FALSE(connected());
    EXPECT_THAT(notes, ::testing::HasSubstr("no connection to the Hub"));
    relay.faults.refuse = false;
    ASSERT_TRUE(until(io, [&] { return connected(); }));
}

TEST_F(HubLinkTest, EveryAddressOfANameIsTried) {
    HubDouble hub(io);  // on 127.0.0.1 only; localhost may begin with ::1
    settings.hub.host = "localhost";
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
}

TEST_F(HubLinkTest, AnIpv6AddressIsConnected) {
    std::unique_ptr<HubDouble> hub;
    try {
        hub = std::make_unique<HubDouble>(io, std::nullopt, false, "::1");
    } catch (const std::exception& error) {
        GTEST_SKIP() << "no IPv6 on this machine: " << error.what();
    }
    settings.hub.host = "::1";
    start(hub->port());
    ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
}

TEST_F(HubLinkTest, ACutLinkReconnectsWithANewIdAndDeliversWhatEndedMeanwhile) {
    HubDouble hub(io);
    FaultProxy relay(io, hub.port());
    start(relay.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    const std::string first_id = link->view().worker_id;
    answer_as_hub(hub, [&] { return first_id; });
    give_job(hub, "j1");
    relay.faults.refuse = true;
    relay.cut();
    ASSERT_TRUE(until(io, [&] { return notes.find("ended") != std::string::npos; }));
    finish(R"({"ok":true})");
    EXPECT_EQ(link->metrics().outbox_depth, 1u);
    relay.faults.refuse = false;
    ASSERT_TRUE(until(io, [&] { return delivered.size() == 1; }));
    EXPECT_NE(link->view().worker_id, first_id);
    EXPECT_EQ(link->metrics().reconnects, 1u);
    EXPECT_TRUE(hub.peer("/ws/client/"));
}

TEST_F(HubLinkTest, AHalfOpenLinkIsNoticed) {
    HubDouble hub(io);
    FaultProxy relay(io, hub.port());
    settings.hub.idle_timeout = Ms(400);
    start(relay.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    relay.faults.blackhole = true;
    ASSERT_TRUE(until(io, [&] { return notes.find("no sign of life") != std::string::npos; }));
    relay.faults.blackhole = false;
    ASSERT_TRUE(until(io, [&] { return link->metrics().reconnects == 1; }));
}

TEST_F(HubLinkTest, AQuietButLivingLinkIsKept) {
    HubDouble hub(io);
    settings.hub.idle_timeout = Ms(200);
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    until(
        io, [] { return false; }, Ms(1000));  // five idle timeouts: pings keep it
    EXPECT_EQ(link->view().link, jobs::LinkView::Link::connected);
    EXPECT_EQ(link->metrics().connections, 1u);
}

TEST_F(HubLinkTest, ARefusedTokenIsRecognisedAndEndsTheFirstConnection) {
    HubDouble hub(io);
    hub.greeting = {R"({"type":"error","error":"Authentication failed: Invalid token"})"};
    hub.close_after_greeting = true;
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return auth_refused.has_value(); }));
    EXPECT_EQ(*auth_refused, AuthRefused{true});
    until(
        io, [] { return false; }, Ms(300));
    EXPECT_EQ(hub.peers().size(), 1u) << "no retry loop";
}

TEST_F(HubLinkTest, ANewTokenServesFromTheNextConnectionOn) {
    HubDouble hub(io);
    settings.hub.token = "old";
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    EXPECT_THAT(hub.peer("/ws/worker/")->path, ::testing::HasSubstr("token=old"));
    link->set_token("new");
    hub.peer("/ws/worker/")->close(1012, "restart");
    ASSERT_TRUE(until(io, [&] {
        return hub.peers().size() == 2 && hub.peers()[1]->path.find("token=new") != std::string::npos;
    })) << notes;
}

TEST_F(HubLinkTest, LargeFramesPassInBothDirectionsWhileReadingGoesOn) {
    HubDouble hub(io);
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    answer_as_hub(hub, [] { return ""; });
    give_job(hub, "j1", "{\"image\":\"" + std::string(20u << 20, 'p') + "\"}");
    EXPECT_GT(jobs_given.back().payload.text().size(), 20u << 20);
    finish("{\"image\":\"" + std::string(15u << 20, 'r') + "\"}");
    ASSERT_TRUE(until(
        io, [&] { return delivered.size() == 1; }, std::chrono::seconds(30)));
}

TEST_F(HubLinkTest, ReadingGoesOnWhileALargeWriteIsStuck) {
    HubDouble hub(io);
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    give_job(hub, "j1");
    auto peer = hub.peer("/ws/worker/");
    peer->stop_reading();
    link->report_progress("j1", jobs_given.back().number, ipc::Progress{});
    finish("{\"image\":\"" + std::string(15u << 20, 'r') + "\"}");
    // The write cannot end; the cancel that comes in meanwhile must still be read.
    peer->send(R"({"type":"job_available","job_id":"j2","job_type":"sim","job_request_payload":{}})");
    ASSERT_TRUE(until(io, [&] { return link->metrics().offers == 2; }));
    EXPECT_THAT(delivered, ::testing::IsEmpty());
}

TEST_F(HubLinkTest, ATruncatedFrameEndsTheConnectionAndNotTheProcess) {
    HubDouble hub(io);
    FaultProxy relay(io, hub.port());
    relay.faults.cut_after_bytes = 400;  // the upgrade passes, the long frame does not
    hub.greeting.push_back("{\"type\":\"x\",\"pad\":\"" + std::string(5000, 'x') + "\"}");
    start(relay.port());
    ASSERT_TRUE(until(io, [&] { return relay.connections() >= 2; }));
    relay.faults.cut_after_bytes.reset();
    ASSERT_TRUE(until(
        io, [&] { return hub.peer("/ws/worker/") && hub.peer("/ws/worker/")->count("register_worker"); }));
}

TEST_F(HubLinkTest, ASlowAndSplitStreamChangesNothing) {
    HubDouble hub(io);
    FaultProxy relay(io, hub.port());
    relay.faults.piece_bytes = 7;
    relay.faults.delay = Ms(1);
    start(relay.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    relay.faults.delay = Ms(0);
    answer_as_hub(hub, [] { return ""; });
    give_job(hub, "j1");
    finish(R"({"ok":true})");
    ASSERT_TRUE(until(io, [&] { return delivered.size() == 1; }));
}

TEST_F(HubLinkTest, ACancelSeenByTheWatchReachesTheWorkerWithinThreeSeconds) {
    HubDouble hub(io);
    settings.hub.cancel_poll = Ms(100);
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    std::string status = "claimed";
    hub.on_frame = [&](HubDouble::Peer& peer, const std::string& text) {
        if (text.find("request_job_status") == std::string::npos) return;
        peer.send(R"({"type":"response_job_status","job_id":"j1","status":")" + status +
                  R"(","worker_id":")" + link->view().worker_id + "\"}");
    };
    give_job(hub, "j1");
    ASSERT_TRUE(
        until(io, [&] { return hub.peer("/ws/client/") && !hub.peer("/ws/client/")->frames.empty(); }));
    status = "cancelled";
    ASSERT_TRUE(until(
        io, [&] { return cancelled == std::vector<std::string>{"j1"}; }, Ms(3000)));
}

TEST_F(HubLinkTest, StopSendsWhatIsQueuedAndClosesCleanly) {
    HubDouble hub(io);
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); }));
    give_job(hub, "j1");
    auto peer = hub.peer("/ws/worker/");
    finish(R"({"last":"words"})");
    bool stopped = false;
    link->stop([&] { stopped = true; });
    ASSERT_TRUE(until(io, [&] { return stopped && !peer->open; }));
    EXPECT_EQ(peer->count(R"({"last":"words"})"), 1);
}

TEST_F(HubLinkTest, StopWithoutAConnectionIsDoneAtOnce) {
    start(1);
    bool stopped = false;
    link->stop([&] { stopped = true; });
    EXPECT_TRUE(until(io, [&] { return stopped; }));
}

class TlsTest : public HubLinkTest {
  protected:
    TlsTest() {
        settings.hub.tls = true;
        write("ca.pem", certificates.authority_pem);
        write("client.pem", certificates.client_pem);
        write("client.key", certificates.client_key_pem);
    }
    void write(const std::string& name, const std::string& text) { folder.write_file(name, text); }

    test::TempDir folder;
    test::TestCertificates certificates = test::make_test_certificates();
};

TEST_F(TlsTest, AnUnknownAuthorityIsRefusedWithAHint) {
    HubDouble hub(io, certificates);
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return notes.find("hub.ca_file") != std::string::npos; }));
    EXPECT_FALSE(connected());
}

TEST_F(TlsTest, ACertificateOfAnotherHostIsToldAsThat) {
    certificates = test::make_test_certificates("DNS:hub.example,DNS:*.hub.example,IP:10.0.0.7,IP:::2");
    write("ca.pem", certificates.authority_pem);
    settings.hub.ca_file = folder.path() / "ca.pem";
    HubDouble hub(io, certificates);
    for (const char* host : {"127.0.0.1", "localhost"}) {
        notes.clear();
        settings.hub.host = host;
        start(hub.port());
        ASSERT_TRUE(until(io, [&] { return notes.find("next attempt") != std::string::npos; }));
        EXPECT_THAT(notes, HasSubstr("its certificate is not for " + settings.hub.host +
                                     ", but for hub.example, *.hub.example, 10.0.0.7, ::2"));
        EXPECT_THAT(notes, testing::Not(HasSubstr("ca_file")));
        link.reset();
    }
}

/// Each side speaks the other's language: TLS to a plain Hub, and plain HTTP to one behind TLS.
TEST_F(TlsTest, APortThatSpeaksTheOtherWayIsToldAsThat) {
    HubDouble plain(io);
    start(plain.port());
    ASSERT_TRUE(until(io, [&] { return notes.find("next attempt") != std::string::npos; }));
    EXPECT_THAT(notes, HasSubstr("USE_SSL=false"));
    notes.clear();
    link.reset();
    settings.hub.tls = false;
    HubDouble secure(io, certificates);
    start(secure.port());
    ASSERT_TRUE(until(io, [&] { return notes.find("next attempt") != std::string::npos; }));
    EXPECT_THAT(notes, HasSubstr("USE_SSL=true"));
}

TEST_F(TlsTest, AnAuthorityOfOnesOwnIsAccepted) {
    HubDouble hub(io, certificates);
    settings.hub.ca_file = folder.path() / "ca.pem";
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
}

TEST_F(TlsTest, AClientCertificateIsShownWhenConfigured) {
    HubDouble hub(io, certificates, true);
    settings.hub.ca_file = folder.path() / "ca.pem";
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return notes.find("next attempt") != std::string::npos; }));
    EXPECT_FALSE(connected());
    link.reset();
    settings.hub.client_certificate = folder.path() / "client.pem";
    settings.hub.client_key = folder.path() / "client.key";
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
}

TEST_F(TlsTest, VerificationCanBeSwitchedOff) {
    HubDouble hub(io, certificates);
    settings.hub.tls_verify = false;
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
}

TEST_F(TlsTest, AFileThatCannotBeUsedIsNamed) {
    settings.hub.ca_file = folder.path() / "missing.pem";
    start(1);
    ASSERT_TRUE(until(io, [&] { return notes.find("missing.pem") != std::string::npos; })) << notes;
}

TEST_F(TlsTest, TheTunnelOfAnHttpProxyCarriesTls) {
    HubDouble hub(io, certificates);
    FaultProxy proxy(io, 0);
    settings.hub.ca_file = folder.path() / "ca.pem";
    settings.hub.proxy = "http://me:pw@127.0.0.1:" + std::to_string(proxy.port());
    start(hub.port());
    ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
    ASSERT_EQ(proxy.requests().size(), 1u);
    EXPECT_THAT(proxy.requests()[0],
                ::testing::StartsWith("CONNECT 127.0.0.1:" + std::to_string(hub.port()) + " HTTP/1.1\r\n"));
    EXPECT_THAT(proxy.requests()[0], ::testing::HasSubstr("Proxy-Authorization: Basic bWU6cHc=\r\n"));
}

/// Limits of seconds and a line of 200 kB/s: the result takes three seconds.
class SlowLineTest : public HubLinkTest {
  protected:
    SlowLineTest() {
        settings.bulk.at_least = 50'000;
        settings.bulk.slow_after = Ms(200);
        settings.bulk.pause_min = Ms(20);
        settings.hub.keepalive_interval = Ms(200);
        settings.hub.cancel_poll = Ms(100);
        relay.faults.upload_per_second = 200'000;
        hub.on_frame = [this](HubDouble::Peer& peer, const std::string& text) {
            const auto frame = ipc::Json::parse(text, nullptr, false);
            const std::string job = frame.value("job_id", "");
            const std::string type = frame.value("type", "");
            if (type == "complete_job") peer.send(R"({"type":"job_completed_ack","job_id":")" + job + "\"}");
            if (type == "request_job_status")
                peer.send(R"({"type":"response_job_status","job_id":")" + job + R"(","status":")" + status +
                          R"(","worker_id":")" + claimant + "\"}");
            if (type != "update_job_progress") return;
            if (job == "large" && frame.value("progress", 0) == -1) ++kept_alive;
            if (job != "other") return;
            const TimePoint now = Clock::now();
            if (last_sign) longest_gap = std::max(longest_gap, now - *last_sign);
            last_sign = now;
        };
    }

    /// "large" has ended with a large result, "other" still runs.
    void begin() {
        desk.free = 2;
        start(relay.port());
        ASSERT_TRUE(until(io, [&] { return connected(); })) << notes;
        first = hub.peer("/ws/worker/w-");
        give_job(hub, "other");
        claimant = link->view().worker_id;
        const int claims = first->count(R"("claim_job")");
        first->send(R"({"type":"job_available","job_id":"large","job_type":"sim","job_request_payload":{}})");
        ASSERT_TRUE(until(io, [&] { return first->count(R"("claim_job")") > claims; }));
        first->send(R"({"type":"job_assigned","job_id":"large","job_type":"sim","priority":0,"params":{}})");
        ASSERT_TRUE(until(io, [&] { return jobs_given.back().job_id == "large"; }));
        finish(R"({"d":")" + std::string(600'000, 'x') + "\"}");
    }
    int completed() const {
        int count = 0;
        for (const auto& peer : hub.peers())
            count += peer->count(R"("complete_job")");
        return count;
    }
    std::shared_ptr<HubDouble::Peer> bulk() const {
        const auto peer = hub.peer("/ws/worker/" + link->view().worker_id + "-bulk");
        return peer && peer->open ? peer : nullptr;
    }
    bool done() const { return delivered == std::vector<std::string>{"large"}; }

    HubDouble hub{io};
    FaultProxy relay{io, hub.port()};
    std::shared_ptr<HubDouble::Peer> first;
    std::string status = "processing";
    std::string claimant;
    int kept_alive = 0;
    std::optional<TimePoint> last_sign;
    Clock::duration longest_gap{0};
};

TEST_F(SlowLineTest, ALargeResultIsDeliveredOnceAndTheOtherJobStaysAlive) {
    begin();
    ASSERT_TRUE(until(io, [&] { return bulk() != nullptr; })) << notes;
    const auto second = bulk();
    ASSERT_TRUE(until(
        io, [&] { return done(); }, std::chrono::seconds(30)))
        << notes;
    EXPECT_EQ(completed(), 1);
    EXPECT_EQ(second->count(R"("complete_job")"), 1);
    EXPECT_EQ(second->frames.size(), 1u) << "it never registers, and says nothing else";
    EXPECT_GE(kept_alive, 3) << "the job whose result is on its way as well";
    EXPECT_LT(longest_gap, std::chrono::milliseconds(1500));
    EXPECT_EQ(link->metrics().reconnects, 0u);
}

TEST_F(SlowLineTest, WhereASecondConnectionIsRefusedTheFirstOneCarriesIt) {
    relay.faults.refuse_path = "-bulk";
    begin();
    ASSERT_TRUE(until(
        io, [&] { return done(); }, std::chrono::seconds(30)))
        << notes;
    EXPECT_EQ(first->count(R"("complete_job")"), 1);
    EXPECT_THAT(notes, ::testing::HasSubstr("no second connection to the Hub"));
}

TEST_F(SlowLineTest, ATokenThatIsRefusedOnlyThereMeansTheFirstOneToo) {
    begin();
    hub.greeting = {R"({"type":"error","error":"Authentication failed: Invalid token"})"};
    hub.close_after_greeting = true;
    ASSERT_TRUE(until(
        io, [&] { return done(); }, std::chrono::seconds(30)))
        << notes;
    EXPECT_EQ(first->count(R"("complete_job")"), 1);
}

TEST_F(SlowLineTest, TwoCutsNameTheSlowLinkAndTheResultStillArrives) {
    begin();
    for (int cuts = 1; cuts <= 2; ++cuts) {
        ASSERT_TRUE(until(io, [&] { return bulk() != nullptr; })) << notes;
        const auto peer = bulk();
        ASSERT_TRUE(until(io, [&] { return notes.find("leaves over") != std::string::npos; }));
        const TimePoint begun = Clock::now();
        ASSERT_TRUE(until(io, [&] { return Clock::now() - begun > Ms(400); }));
        peer->close(1011, "keepalive ping timeout");
        ASSERT_TRUE(until(io, [&] { return !peer->open; }));
    }
    ASSERT_TRUE(until(io, [&] {
        return notes.find("the link is too slow for this result: 600") != std::string::npos;
    })) << notes;
    relay.faults.upload_per_second = 0;
    ASSERT_TRUE(until(
        io, [&] { return done(); }, std::chrono::seconds(30)))
        << notes;
    EXPECT_EQ(completed(), 1);
}

TEST_F(SlowLineTest, AResultOfAJobThatIsCancelledMeanwhileNeverArrives) {
    begin();
    ASSERT_TRUE(until(io, [&] { return bulk() != nullptr; })) << notes;
    const auto second = bulk();
    status = "cancelled";
    ASSERT_TRUE(until(io, [&] { return !not_delivered.empty(); })) << notes;
    EXPECT_EQ(not_delivered[0], "cancelled");
    ASSERT_TRUE(until(io, [&] { return !second->open; }));
    EXPECT_EQ(completed(), 0);
}

TEST_F(SlowLineTest, TheFirstConnectionMayBeCutMeanwhile) {
    begin();
    ASSERT_TRUE(until(io, [&] { return bulk() != nullptr; })) << notes;
    const auto second = bulk();
    first->close(1012, "");
    ASSERT_TRUE(until(io, [&] { return link->metrics().reconnects == 1; })) << notes;
    ASSERT_TRUE(until(
        io, [&] { return done(); }, std::chrono::seconds(30)))
        << notes;
    EXPECT_EQ(second->count(R"("complete_job")"), 1);
    EXPECT_EQ(completed(), 1);
}

TEST_F(HubLinkTest, AProxyThatRefusesIsNamed) {
    FaultProxy proxy(io, 0);
    proxy.refuse_with = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    settings.hub.proxy = "127.0.0.1:" + std::to_string(proxy.port());
    start(1);
    ASSERT_TRUE(until(io, [&] { return notes.find("HTTP 407") != std::string::npos; })) << notes;
}

}  // namespace
}  // namespace emprops::hub
