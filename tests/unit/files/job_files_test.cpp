// What of a job's folder may be taken: a connector's files may be anything.

#include "supervisor/files/job_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace emprops::files {
namespace {

namespace fs = std::filesystem;
using Sizes = std::vector<std::uint64_t>;

/// Nobody's on any machine.
constexpr uid_t stranger = 54321, connectors_user = 54320;

struct JobFilesTest : testing::Test {
    test::TempDir dir;
    const fs::path folder = dir / "job";

    JobFilesTest() { fs::create_directories(folder / "out"); }
    void write(const std::string& place, const std::string& text = "hello") const {
        dir.write_file("job/" + place, text);
    }
    Result<Sizes> look(const std::string& place, std::optional<uid_t> user = {}) const {
        return look_at_files(open_folder(folder)->get(), {{place}, user});
    }
    Result<Sizes> own(const std::string& place, std::optional<uid_t> user = {}) const {
        return own_files(open_folder(folder)->get(), {{place}, user});
    }
    void give_to(const std::string& place, uid_t user) const {
        ASSERT_EQ(::lchown((folder / place).c_str(), user, static_cast<gid_t>(-1)), 0);
    }
    uid_t owner(const std::string& place) const {
        struct stat about {};
        EXPECT_EQ(::lstat((folder / place).c_str(), &about), 0);
        return about.st_uid;
    }
    /// Refused when it is looked at, when it is made ours, and when it is copied elsewhere.
    void expect_refused(const std::string& place, const std::string& why,
                        std::optional<uid_t> user = {}) const {
        for (const auto& found : {look(place, user), own(place, user)}) {
            ASSERT_FALSE(found) << place;
            EXPECT_EQ(found.error().code, "protocol_error") << found.error().message;
            EXPECT_NE(found.error().message.find("the file \"" + place + "\""), std::string::npos)
                << found.error().message;
            EXPECT_NE(found.error().message.find(why), std::string::npos) << found.error().message;
        }
        const auto copied = copy_files(folder, dir / "copy", {{place}, user});
        ASSERT_FALSE(copied);
        EXPECT_NE(copied.error().message.find(why), std::string::npos) << copied.error().message;
    }
};

TEST_F(JobFilesTest, SaysHowLongTheyAre) {
    write("a");
    write("out/b", "");
    const auto sizes = look_at_files(open_folder(folder)->get(), {{"a", "", "out/b", "a"}, {}});
    ASSERT_TRUE(sizes);
    EXPECT_EQ(*sizes, (Sizes{5, 0, 0, 5})) << "one that lies at its url only has no bytes";
}

TEST_F(JobFilesTest, NothingButARegularFileIsTakenAndNoLinkIsFollowed) {
    write("a");
    fs::create_symlink(folder / "a", folder / "link");
    fs::create_symlink("nowhere", folder / "dangling");
    fs::create_directory_symlink("/etc", folder / "etc");
    fs::create_directory_symlink("out", folder / "inside");
    write("out/b");
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{AF_UNIX, {}};
    const std::string path = (folder / "socket").string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(socket);

    for (const char* place : {"link", "dangling", "etc/passwd", "inside/b"})
        expect_refused(place, "links are not followed");
    expect_refused("out", "it is no regular file");
    expect_refused("pipe", "it is no regular file");
    expect_refused("a/b", "");
    expect_refused("socket", "");
}

TEST_F(JobFilesTest, WhatIsNotThereIsTheConnectorsFaultAtFirstAndLostLater) {
    EXPECT_EQ(look("gone").error().code, "protocol_error");
    EXPECT_EQ(own("gone").error().code, "lost");
    EXPECT_NE(look("gone").error().message.find("it is not in the job's work_dir"), std::string::npos);
}

TEST_F(JobFilesTest, HostileNamesAreNamesAndNothingElse) {
    for (const std::string& name :
         {std::string(255, 'x'), std::string("-rf"), std::string("a\nb"), std::string("$(id)"),
          std::string("\xff\xfe"), std::string(".own-copy"), std::string("...")}) {
        write(name);
        ASSERT_TRUE(look(name)) << name;
        EXPECT_EQ(*own(name), Sizes{5}) << name;
    }
}

TEST_F(JobFilesTest, AProcessWithoutDescriptorsIsNoFaultOfTheConnector) {
    write("a");
    const auto open = open_folder(folder);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{3, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const JobFiles files{{"a"}, {}};
    const auto looked = look_at_files(open->get(), files), owned = own_files(open->get(), files);
    const auto entered = open_folder(folder);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(looked.error().code, "disk") << looked.error().message;
    EXPECT_EQ(owned.error().code, "disk") << owned.error().message;
    EXPECT_EQ(entered.error().code, "disk") << entered.error().message;
    EXPECT_EQ(open_folder(dir / "none").error().code, "lost");
}

TEST_F(JobFilesTest, AFileWithASecondNameIsCopiedSoThatNobodyChangesItByThat) {
    const std::string longest(255, 'x');
    for (const std::string& name : {std::string("out/a"), "out/" + longest}) {
        dir.write_file("elsewhere", "hello");
        fs::create_hard_link(dir / "elsewhere", folder / name);
        EXPECT_EQ(*own(name), Sizes{5});
        dir.write_file("elsewhere", "changed");
        EXPECT_EQ(dir.read_file("job/" + name), "hello");
        EXPECT_EQ(fs::hard_link_count(folder / name), 1u);
        EXPECT_EQ(*own(name), Sizes{5}) << "again is fine";
    }
    EXPECT_FALSE(fs::exists(folder / "out" / ".own-copy"));
}

TEST_F(JobFilesTest, OverTheBorderOfADiskWhatWasCopiedHalfIsCopiedAnew) {
    write("out/a", "whole");
    dir.write_file("copy/out/a", "ha");
    dir.write_file("copy/other", "left");
    ASSERT_TRUE(copy_files(folder, dir / "copy", {{"out/a", "", "out/a"}, {}}));
    EXPECT_EQ(dir.read_file("copy/out/a"), "whole");
    EXPECT_FALSE(fs::exists(dir / "copy" / "other"));
}

TEST_F(JobFilesTest, AFileIsTheConnectorsUsersOrOursAndElseRefusedByName) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    write("ours");
    write("theirs");
    write("strange");
    give_to("theirs", connectors_user);
    give_to("strange", stranger);
    ASSERT_TRUE(look("ours", connectors_user));
    ASSERT_TRUE(look("theirs", connectors_user));
    EXPECT_EQ(owner("theirs"), connectors_user) << "only looked at";
    expect_refused("strange", "it belongs to user 54321; a connector gives files of its own user (54320)",
                   connectors_user);
    expect_refused("theirs", "it belongs to user 54320");
    EXPECT_EQ(*own("theirs", connectors_user), Sizes{5});
    EXPECT_EQ(owner("theirs"), ::geteuid());
    EXPECT_EQ(*own("theirs", connectors_user), Sizes{5})
        << "a worker that was killed meanwhile does it again";
    give_to(".", connectors_user);
    ASSERT_TRUE(own("ours", connectors_user));
    EXPECT_EQ(owner("."), ::geteuid());
}

TEST_F(JobFilesTest, AFileOfOursThatAConnectorOfAnotherUserLinksToIsNotGivenAway) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    dir.write_file("secret", "hush");
    fs::create_hard_link(dir / "secret", folder / "mine");
    expect_refused("mine", "has a second name elsewhere", connectors_user);
    EXPECT_EQ(*own("mine"), Sizes{4}) << "a connector of our own user could have copied it";
}

}  // namespace
}  // namespace emprops::files
