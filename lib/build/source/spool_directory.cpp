#include "build/source/spool_directory.hpp"

#include "cooper/base/error.hpp"

#include <cerrno>
#include <cstdlib>

namespace cooper::build {

std::filesystem::path make_spool_directory(const std::filesystem::path& spool, const std::string& what) {
    std::filesystem::create_directories(spool);
    std::string path = (spool / (what + "-XXXXXX")).string();
    if (mkdtemp(path.data()) == nullptr) {
        throw SystemError("cannot make a directory in '" + spool.string() + "'", errno);
    }
    return path;
}

}  // namespace cooper::build
