#include "cooper/base/file_digest.hpp"

#include "cooper/base/ranged.hpp"

#include <vector>

namespace cooper {

Digest sha256_of_file(const std::filesystem::path& path, const Run& run) {
    const FileRanged file(path);
    const auto source = file.open();
    Hasher hasher;
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = source->read(buffer)) {
        run.check();
        hasher.update(Bytes(buffer).first(count));
    }
    return hasher.finish();
}

}  // namespace cooper
