#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/sandbox.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

namespace cooper::build {

Confinement confine_process(const ConfineOptions& options) {
    static_cast<void>(options);
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        throw SystemError("cannot make a mount namespace", errno);
    }
    Confinement how;
    how.isolation = Isolation::Root;
    how.overlay = how.owners = how.devices = true;
    return how;
}

std::vector<IsolationTrial> try_isolations(const std::filesystem::path& probed_on) {
    static_cast<void>(probed_on);
    return {{Isolation::Root, geteuid() == 0, ""}};
}

}  // namespace cooper::build
