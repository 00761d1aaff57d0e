#include "build/snapshot/layer_index.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/paths.hpp"
#include "build/snapshot/packed.hpp"

namespace cooper::build {

namespace {

constexpr std::string_view kFormat = "cooper layer index 1";
constexpr std::size_t kMaxIndex = 512ULL << 20;

void write_paths(Packer& packer, const std::vector<std::string>& paths) {
    packer.number(paths.size());
    for (const auto& path : paths) {
        packer.text(path);
    }
}

std::vector<std::string> read_paths(Unpacker& unpacker) {
    std::vector<std::string> paths;
    for (std::uint64_t count = unpacker.number(); count > 0; --count) {
        paths.push_back(unpacker.text());
    }
    return paths;
}

}  // namespace

void LayerIndex::write(const std::filesystem::path& file) const {
    Packer packer;
    packer.text(kFormat);
    packer.number(captured ? 1 : 0).number(tar_size).number(entries).number(bytes);
    packer.text(made_on ? made_on->text() : "");
    write_paths(packer, implicit);
    write_paths(packer, whiteouts);
    write_paths(packer, opaque);
    packer.number(unset.size());
    for (const auto& [path, what] : unset) {
        packer.text(path).number(static_cast<std::uint64_t>(what.type)).number(what.uid).number(what.gid);
        packer.number(what.mode);
    }
    write_file(file, packer.bytes(), 0600);
}

LayerIndex LayerIndex::read(const std::filesystem::path& file) {
    const std::string text = read_file(file, kMaxIndex);
    MemorySource source(text);
    Unpacker unpacker(source, kMaxPath);
    if (unpacker.text() != kFormat) {
        throw Error(ErrorCode::Integrity, "'" + file.string() + "' is of another version of cooper");
    }
    LayerIndex index;
    index.captured = unpacker.number() != 0;
    index.tar_size = unpacker.number();
    index.entries = unpacker.number();
    index.bytes = unpacker.number();
    if (const std::string made_on = unpacker.text(); !made_on.empty()) {
        index.made_on = Digest::parse(made_on);
    }
    index.implicit = read_paths(unpacker);
    index.whiteouts = read_paths(unpacker);
    index.opaque = read_paths(unpacker);
    for (std::uint64_t count = unpacker.number(); count > 0; --count) {
        std::string path = unpacker.text();
        Unset& what = index.unset[std::move(path)];
        what.type = static_cast<TarType>(unpacker.number());
        what.uid = static_cast<std::uint32_t>(unpacker.number());
        what.gid = static_cast<std::uint32_t>(unpacker.number());
        what.mode = static_cast<std::uint32_t>(unpacker.number());
    }
    return index;
}

}  // namespace cooper::build
