#include "ipc/web/uuid.h"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/nil_generator.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <stdexcept>

namespace emprops {
namespace {

boost::uuids::uuid read_uuid(std::string_view text) {
    try {
        return boost::uuids::string_generator()(text.begin(), text.end());
    } catch (const std::runtime_error&) {
        return boost::uuids::nil_uuid();
    }
}

}  // namespace

std::string uuid_v4() {
    return to_string(boost::uuids::random_generator()());
}

std::string uuid_v5(std::string_view space, std::string_view name) {
    const boost::uuids::name_generator_sha1 names(read_uuid(space));
    return to_string(names(name.data(), name.size()));
}

}  // namespace emprops
