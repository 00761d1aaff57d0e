#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/parts.hpp"

#include "delivery/delta/conveyor.hpp"
#include "delivery/delta/file_facts.hpp"
#include "delivery/delta/parts_files.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

/// Files that go again unless all went well.
class NewFiles {
public:
    NewFiles() = default;
    NewFiles(const NewFiles&) = delete;
    NewFiles& operator=(const NewFiles&) = delete;
    ~NewFiles() {
        for (const std::filesystem::path& path : paths_) {
            std::error_code ignored;  // what cannot be removed stays; no list names it
            std::filesystem::remove(path, ignored);
        }
    }
    void add(std::filesystem::path path) { paths_.push_back(std::move(path)); }
    void keep() { paths_.clear(); }

private:
    std::vector<std::filesystem::path> paths_;
};

/// What SHA256SUMS says of other files, and the parts, their list and the whole file.
Checksums merged_checksums(const std::filesystem::path& path, const PartsList& list, const std::string& list_text) {
    Checksums sums;
    if (const auto text = find_file(path, kMaxChecksums)) {
        const Checksums before = Checksums::parse(*text, path.string());
        for (const auto& [name, digest] : before.entries()) {
            const auto part = parse_part_name(name);
            if (name != list.name && name != parts_list_name(list.name) && !(part && part->file == list.name)) {
                sums.add(name, digest);
            }
        }
    }
    sums.add(list.name, list.sha256);
    sums.add(parts_list_name(list.name), sha256(list_text));
    for (const Part& part : list.parts) {
        sums.add(part.name, part.sha256);
    }
    return sums;
}

void write_checksums(const std::filesystem::path& directory, const PartsList& list, const std::string& list_text,
                     const Run& run) {
    const std::filesystem::path path = directory / kChecksumsFile;
    const auto before = find_file(path, kMaxChecksums);
    const std::string text = merged_checksums(path, list, list_text).text();
    if (before == text) {
        return;
    }
    write_file(path, text);
    if (std::filesystem::exists(directory / kSignatureFile)) {
        run.progress->notice(NoticeLevel::Warning, std::string(kSignatureFile) +
                                                       " no longer fits SHA256SUMS, which names the parts now: it "
                                                       "must be signed again");
    }
}

std::size_t count_parts(std::uint64_t size, std::uint64_t part_size, const std::filesystem::path& file) {
    if (part_size == 0) {
        throw Error(ErrorCode::InvalidInput, "parts of 0 bytes hold nothing");
    }
    const std::uint64_t count = std::max<std::uint64_t>(1, size / part_size + (size % part_size == 0 ? 0 : 1));
    if (count > kMaxParts) {
        throw Error(ErrorCode::InvalidInput, file.string() + " would be " + std::to_string(count) +
                                                 " parts; the limit is " + std::to_string(kMaxParts) +
                                                 ": take larger ones");
    }
    return static_cast<std::size_t>(count);
}

}  // namespace

PartsList split_file(const std::filesystem::path& file, std::uint64_t part_size, const std::filesystem::path& directory,
                     const Run& run) {
    const FileRanged bytes(file);
    const Unchanged stays(file);
    const std::string name = safe_file_name(file.filename().string());
    const std::size_t count = count_parts(bytes.size(), part_size, file);
    std::filesystem::create_directories(directory);
    const Digest unknown = sha256("");
    PartsList list{name, bytes.size(), unknown, part_size, {}};
    NewFiles written;
    Conveyor conveyor(Conveyor::Hash::Both, file.filename().string(), bytes.size(), run);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t offset = i * part_size;
        const std::uint64_t size = std::min(part_size, bytes.size() - offset);
        list.parts.push_back({part_name(name, i + 1, count), size, unknown});
        const std::filesystem::path path = directory / list.parts.back().name;
        AtomicFile part(path);
        part.reserve(size);
        conveyor.carry(bytes, offset, size, &part, true);
        conveyor.end_piece();
        part.commit();
        written.add(path);
    }
    list.sha256 = conveyor.whole();
    const auto digests = conveyor.pieces();
    for (std::size_t i = 0; i < count; ++i) {
        list.parts[i].sha256 = digests[i];
    }
    stays.check();
    const std::string list_text = parts_to_json(list);
    const std::filesystem::path list_path = directory / parts_list_name(name);
    write_file(list_path, list_text);
    written.add(list_path);
    write_checksums(directory, list, list_text, run);
    written.keep();
    return list;
}

}  // namespace cooper::delivery
