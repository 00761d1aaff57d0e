// What a Store is inside (private).
#pragma once

#include "cooper/oci/store.hpp"

#include "oci/store/store_directory.hpp"

namespace cooper::oci {

struct Store::State : StoreDirectory {
    using StoreDirectory::StoreDirectory;
};

}  // namespace cooper::oci
