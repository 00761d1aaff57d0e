// A directory that is being listed.
#pragma once

#include <dirent.h>

#include <memory>

namespace cooper::build {

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

}  // namespace cooper::build
