#pragma once
// The event loop of a program. What is to be done "later" runs behind the handler that asks for it, before the kernel
// is asked for anything new: a chain of small steps costs no system call for each.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>

namespace emprops {

/// Runs the loop in this thread until it is stopped or has nothing left to do. Handlers may throw; it can be called
/// again.
void run_loop(boost::asio::io_context& loop);

/// Runs `work` in a later turn of the loop that `executor` belongs to, never inside this call; what is given first
/// runs first. Under a loop that is not run by run_loop() it is asio::post. The loop's own thread only: others use
/// asio::post.
void later(const boost::asio::any_io_executor& executor, std::function<void()> work);

/// Runs `work` when all that is ready now has been handled, before the loop waits for anything new: what many small
/// events lead to is done once, and leaves together. A loop that never rests does it after a millisecond. Otherwise
/// as later().
void at_rest(const boost::asio::any_io_executor& executor, std::function<void()> work);

}  // namespace emprops
