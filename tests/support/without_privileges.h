#pragma once
// While it lives the calling thread obeys file modes although it is root's: for tests of folders without rights. The
// threads that it starts meanwhile do, too. Nothing happens for any other user. For one test thread.

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace emprops::test {

class WithoutPrivileges {
  public:
    WithoutPrivileges() {
        get(before_);
        Data without[2] = {before_[0], before_[1]};
        without[0].effective &= ~(bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER));
        set(without);
    }
    ~WithoutPrivileges() { set(before_); }
    WithoutPrivileges(const WithoutPrivileges&) = delete;
    WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;

  private:
    using Data = __user_cap_data_struct;
    static constexpr std::uint32_t bit(int capability) { return std::uint32_t{1} << capability; }
    static void get(Data* data) {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        ::syscall(SYS_capget, &header, data);
    }
    static void set(const Data* data) {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        ::syscall(SYS_capset, &header, data);
    }

    Data before_[2]{};
};

}  // namespace emprops::test
