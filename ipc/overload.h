#pragma once
// One callable out of several lambdas, for std::visit.

namespace emprops {

template <class... Functions>
struct Overload : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overload(Functions...) -> Overload<Functions...>;

}  // namespace emprops
