#pragma once
// std::visit with one lambda per alternative.

namespace emprops::comfyui {

template <class... Fs>
struct Overload : Fs... {
    using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

}  // namespace emprops::comfyui
