// Whiteouts: entries that say what of the lower layers is gone (OCI image specification 1.1, layer.md, "Whiteouts").
#pragma once

#include "cooper/base/tar.hpp"

#include <string>

namespace cooper::build {

struct Whiteout {
    enum class Kind {
        None,     ///< an ordinary entry
        Hides,    ///< `hidden` in `directory`
        Opaque,   ///< all that lower layers have in `directory`
        Ignored,  ///< aufs's own bookkeeping
    };
    Kind kind = Kind::None;
    std::string directory;
    std::string hidden;
};

/// What an entry with this cleaned path is. A character device 0/0 hides the path that it has: so overlay mounts say
/// it. Throws Error{InvalidInput} for whiteouts of nothing, ".", ".." and entries inside of a whiteout.
Whiteout whiteout_of(const TarEntry& entry, const std::string& path);

}  // namespace cooper::build
