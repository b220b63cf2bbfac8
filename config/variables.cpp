#include "config/variables.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "ipc/text/values.h"

namespace emprops::config {

namespace {

template <class Patterns>
bool fits(std::string_view variable, const Patterns& patterns) {
    const std::string name(variable);
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    });
}

}  // namespace

bool every_child_gets(std::string_view variable) {
    static constexpr std::array<const char*, 9> patterns = {
        "PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "SHELL", "LD_LIBRARY_PATH", "LC_*"};
    return fits(variable, patterns);
}

bool is_for_children(std::string_view variable) {
    // Not what images of graphics libraries set for the container runtime (CUDA_VERSION, NVIDIA_*).
    if (variable == "CUDA_VERSION") return false;
    static constexpr std::array<const char*, 25> patterns = {"CUDA_*",
                                                             "NCCL_*",
                                                             "HIP_*",
                                                             "ROCR_*",
                                                             "HSA_*",
                                                             "PYTORCH_*",
                                                             "TORCH_*",
                                                             "HF_*",
                                                             "HUGGINGFACE_*",
                                                             "HUGGING_FACE_*",
                                                             "TRANSFORMERS_*",
                                                             "DIFFUSERS_*",
                                                             "OMP_NUM_THREADS",
                                                             "XDG_CACHE_HOME",
                                                             "PYTHON*",
                                                             "VIRTUAL_ENV",
                                                             "CONDA_PREFIX",
                                                             "LD_PRELOAD",
                                                             "SSL_CERT_FILE",
                                                             "SSL_CERT_DIR",
                                                             "REQUESTS_CA_BUNDLE",
                                                             "CURL_CA_BUNDLE",
                                                             "NODE_EXTRA_CA_CERTS",
                                                             "AWS_*",
                                                             "GOOGLE_APPLICATION_CREDENTIALS"};
    static constexpr std::array<const char*, 4> proxies = {"http_proxy", "https_proxy", "all_proxy",
                                                           "no_proxy"};
    return fits(variable, patterns) || fits(text::lower(variable), proxies);
}

bool is_told_to_children(std::string_view variable) {
    static constexpr std::array<const char*, 4> names = {"EMPROPS_CONNECTOR", "EMPROPS_INSTANCE",
                                                         "EMPROPS_SERVICE_PORT", "EMPROPS_SERVICE_URL"};
    return fits(variable, names);
}

bool fits_pattern(std::string_view variable, std::span<const std::string> patterns) {
    return fits(variable, patterns);
}

}  // namespace emprops::config
