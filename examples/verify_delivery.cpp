// Whether the files of a delivery are the sender's: the signature of SHA256SUMS, then every file that it names and that
// is there.
//
//   verify_delivery DIRECTORY TRUSTED_KEY.pub
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/signature.hpp"

#include <cstdio>
#include <filesystem>
#include <string>

namespace {

namespace fs = std::filesystem;
using namespace cooper::delivery;

cooper::Digest hash_file(const fs::path& path) {
    const cooper::FileRanged file(path);
    const auto source = file.open();
    cooper::Hasher hasher;
    std::string buffer(128 * 1024, '\0');
    const cooper::MutableBytes into = std::as_writable_bytes(std::span(buffer));
    while (const std::size_t count = source->read(into)) {
        hasher.update(cooper::Bytes(into).first(count));
    }
    return hasher.finish();
}

bool verify(const fs::path& directory, const fs::path& key) {
    const std::string sums = cooper::read_file(directory / kChecksumsFile, kMaxChecksums);
    const std::string signature = cooper::read_file(directory / kSignatureFile, kMaxKeyFile);
    if (!verify_signature(cooper::read_file(key, kMaxKeyFile), sums, signature, key.string())) {
        std::printf("SHA256SUMS is not signed with %s\n", key.c_str());
        return false;
    }
    const Checksums checksums = Checksums::parse(sums, "SHA256SUMS");
    bool all_right = true;
    for (const auto& [name, digest] : checksums.entries()) {
        if (fs::exists(directory / name)) {
            const bool right = hash_file(directory / name) == digest;
            std::printf("%-7s %s\n", right ? "right" : "WRONG", name.c_str());
            all_right &= right;
        }
    }
    return all_right;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s DIRECTORY TRUSTED_KEY.pub\n", argv[0]);
        return 2;
    }
    try {
        return verify(argv[1], argv[2]) ? 0 : 1;
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
