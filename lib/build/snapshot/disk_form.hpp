// How trees lie on a disk in one isolation mode (private).
#pragma once

#include "cooper/build/sandbox.hpp"

#include <string>

namespace cooper::build {

struct DiskForm {
    std::string name;         ///< of the directory for all trees of this form
    bool owners = false;      ///< files have the owners and modes that they shall have
    bool devices = false;     ///< device nodes are there
    bool overlay = false;     ///< trees are mounted, not copied
    bool user_xattr = false;  ///< overlay mounts take user.overlay.*
    bool marked = false;      ///< layers have the marks that overlay mounts read

    [[nodiscard]] std::string overlay_xattr(const char* mark) const {
        return (user_xattr ? "user.overlay." : "trusted.overlay.") + std::string(mark);
    }
};

/// "root", "userns-HASH" (of the mapping of ids), "single", "chroot", "none".
DiskForm disk_form(const Confinement& how);

/// Whether this process can remove files of that form: those of a range of ids belong to others outside of it.
bool can_remove(const std::string& form);

}  // namespace cooper::build
