#pragma once
// Wakes the reader out of poll(): by SIGTERM, or when the session is over. One per process.

namespace emprops::sdk {

class WakePipe {
  public:
    static constexpr char terminate = 'T';
    static constexpr char finished = 'F';

    /// Ignores SIGPIPE (a write to a supervisor that has gone must fail, not kill us) and turns SIGTERM into
    /// a `terminate` in the pipe.
    WakePipe();
    ~WakePipe();
    WakePipe(const WakePipe&) = delete;
    WakePipe& operator=(const WakePipe&) = delete;

    int descriptor() const { return fds_[0]; }
    void wake(char what);

  private:
    int fds_[2] = {-1, -1};
};

}  // namespace emprops::sdk
