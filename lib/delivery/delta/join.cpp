#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/parts.hpp"

#include "delivery/delta/conveyor.hpp"
#include "delivery/delta/file_facts.hpp"
#include "delivery/delta/parts_files.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace cooper::delivery {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kNamed = 5;  // in one message

std::string names_in(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
    }
    return text + (names.size() > kNamed ? " and " + std::to_string(names.size() - kNamed) + " more" : "");
}

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, problem);
}

Path directory_of(const Path& path) {
    return path.has_parent_path() ? path.parent_path() : Path(".");
}

/// The parts of one file in their order, and what is known of them.
struct Set {
    std::string file;
    std::vector<Path> parts;
    std::optional<PartsList> list;
    std::string list_name;  ///< its path, for messages
    Checksums sums;
};

PartsList read_list(const Path& path, std::string& text) {
    text = read_file(path, kMaxPartsList);
    return parts_from_json(text, path.string());
}

/// Sorts what was given on the command line into parts and at most one list.
class Inputs {
public:
    explicit Inputs(const std::vector<Path>& inputs) {
        for (const Path& input : inputs) {
            const std::string name = input.filename().string();
            if (name.ends_with(kPartsListEnd)) {
                add_list(input);
            } else if (auto part = parse_part_name(name)) {
                splits_[{part->file, part->count}].emplace_back(part->number, input);
            } else {
                refuse(input.string() + " is neither a part (NAME.part001of004) nor a list of parts (NAME.parts.json)");
            }
        }
    }

    [[nodiscard]] Set set() const {
        if (splits_.size() > 1) {
            refuse_mixture();
        }
        Set set;
        std::string text;
        if (splits_.empty()) {
            if (!list_) {
                refuse("there is nothing to join");
            }
            take_parts_of_list(set, text);
        } else {
            set.file = splits_.begin()->first.first;
            set.parts = ordered(splits_.begin()->first, splits_.begin()->second);
            find_list(set, text);
        }
        read_checksums(set, text);
        return set;
    }

private:
    using Split = std::pair<std::string, std::size_t>;  // the file and the number of parts
    using Numbered = std::vector<std::pair<std::size_t, Path>>;

    void add_list(const Path& path) {
        if (list_ && *list_ != path) {
            refuse(list_->string() + " and " + path.string() + " are two lists of parts: one file at a time");
        }
        list_ = path;
    }

    [[noreturn]] void refuse_mixture() const {
        std::vector<std::string> examples;
        for (const auto& [split, parts] : splits_) {
            examples.push_back(std::to_string(parts.size()) + " like " + parts.front().second.filename().string());
        }
        Error error(ErrorCode::InvalidInput,
                    "the parts are of " + std::to_string(splits_.size()) + " files or splits: " + names_in(examples));
        error.advise("give the parts of one split: cooper join NAME.part*of004");
        throw error;
    }

    static std::vector<Path> ordered(const Split& split, Numbered parts) {
        const auto& [file, count] = split;
        std::sort(parts.begin(), parts.end());
        std::vector<Path> paths;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i > 0 && parts[i].first == parts[i - 1].first) {
                refuse(parts[i - 1].second.string() + " and " + parts[i].second.string() + " are the same part");
            }
            paths.push_back(parts[i].second);
        }
        std::vector<std::string> missing;
        auto next = parts.begin();
        for (std::size_t number = 1; number <= count; ++number) {
            if (next != parts.end() && next->first == number) {
                ++next;
            } else {
                missing.push_back(part_name(file, number, count));
            }
        }
        if (!missing.empty()) {
            refuse("of the " + std::to_string(count) + " parts of " + file +
                   " there are missing: " + names_in(missing));
        }
        return paths;
    }

    void take_parts_of_list(Set& set, std::string& text) const {
        set.list = read_list(*list_, text);
        set.list_name = list_->string();
        set.file = set.list->name;
        std::vector<std::string> missing;
        for (const Part& part : set.list->parts) {
            set.parts.push_back(directory_of(*list_) / part.name);
            if (!std::filesystem::exists(set.parts.back())) {
                missing.push_back(part.name);
            }
        }
        if (!missing.empty()) {
            throw Error(ErrorCode::NotFound, "of the " + std::to_string(set.parts.size()) + " parts that " +
                                                 set.list_name + " lists there are missing: " + names_in(missing));
        }
    }

    /// The list that was given, or one that lies beside a part.
    void find_list(Set& set, std::string& text) const {
        std::optional<Path> path = list_;
        for (const Path& directory : directories(set)) {
            if (!path && std::filesystem::exists(directory / parts_list_name(set.file))) {
                path = directory / parts_list_name(set.file);
            }
        }
        if (!path) {
            return;
        }
        set.list = read_list(*path, text);
        set.list_name = path->string();
        if (set.list->name != set.file || set.list->parts.size() != set.parts.size()) {
            refuse(set.list_name + " is of another split: it lists " + std::to_string(set.list->parts.size()) +
                   " parts of " + set.list->name + ", and there are " + std::to_string(set.parts.size()) + " of " +
                   set.file);
        }
    }

    static void read_checksums(Set& set, const std::string& list_text) {
        for (const Path& directory : directories(set)) {
            const Path path = directory / kChecksumsFile;
            if (const auto text = find_file(path, kMaxChecksums)) {
                set.sums.merge(Checksums::parse(*text, path.string()));
            }
        }
        if (!set.list) {
            return;
        }
        const Digest* listed = set.sums.find(parts_list_name(set.file));
        if (listed != nullptr && *listed != sha256(list_text)) {
            throw IntegrityError(set.list_name + " is not what SHA256SUMS says of it", listed->text(),
                                 sha256(list_text).text());
        }
    }

    static std::set<Path> directories(const Set& set) {
        std::set<Path> all;
        for (const Path& part : set.parts) {
            all.insert(directory_of(part));
        }
        return all;
    }

    std::map<Split, Numbered> splits_;
    std::optional<Path> list_;
};

/// What the list and SHA256SUMS say of a file; nullopt: nothing.
std::optional<Digest> expected(const Set& set, const std::string& name, const Digest* listed) {
    const Digest* summed = set.sums.find(name);
    if (listed != nullptr && summed != nullptr && *listed != *summed) {
        throw IntegrityError(set.list_name + " and SHA256SUMS say different things of " + name, listed->text(),
                             summed->text());
    }
    const Digest* known = listed != nullptr ? listed : summed;
    return known == nullptr ? std::nullopt : std::optional(*known);
}

/// Known before a byte is read. Without a list: all but the last are as long as the first. The sum of all.
std::uint64_t check_sizes(const Set& set) {
    std::uint64_t total = 0;
    std::uint64_t first = 0;
    for (std::size_t i = 0; i < set.parts.size(); ++i) {
        const bool last = i + 1 == set.parts.size();
        const std::uint64_t size = FileRanged(set.parts[i]).size();
        first = i == 0 ? size : first;
        total += size;
        const std::uint64_t wanted = set.list ? set.list->parts[i].size : first;
        const bool fits = set.list || !last || i == 0 ? size == wanted : size > 0 && size <= first;
        if (!fits) {
            IntegrityError error(set.parts[i].string() + " is cut short or not of this split",
                                 std::string(set.list || !last ? "" : "at most ") + std::to_string(wanted) + " bytes",
                                 std::to_string(size));
            error.advise("fetch it again");
            throw error;
        }
    }
    return total;
}

void check_parts(const Set& set, const std::vector<std::optional<Digest>>& wanted, const std::vector<Digest>& found) {
    std::vector<std::size_t> damaged;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (wanted[i] && *wanted[i] != found[i]) {
            damaged.push_back(i);
            names.push_back(set.parts[i].filename().string());
        }
    }
    if (damaged.empty()) {
        return;
    }
    IntegrityError error(names_in(names) + (names.size() == 1 ? " is damaged" : " are damaged"),
                         wanted[damaged[0]]->text(), found[damaged[0]].text());
    error.advise("fetch " + std::string(names.size() == 1 ? "it" : "them") + " again; the other parts are sound");
    throw error;
}

}  // namespace

JoinReport join_parts(const std::vector<std::filesystem::path>& inputs, const std::optional<std::filesystem::path>& out,
                      const Run& run) {
    const Set set = Inputs(inputs).set();
    const Path target = out ? *out : directory_of(set.parts.front()) / set.file;
    const std::uint64_t size = check_sizes(set);
    std::vector<std::optional<Digest>> wanted;
    for (std::size_t i = 0; i < set.parts.size(); ++i) {
        refuse_to_replace(target, {set.parts[i]});
        wanted.push_back(
            expected(set, set.parts[i].filename().string(), set.list ? &set.list->parts[i].sha256 : nullptr));
    }
    const auto whole = expected(set, set.file, set.list ? &set.list->sha256 : nullptr);
    AtomicFile file(target);
    file.reserve(size);
    Conveyor conveyor(Conveyor::Hash::Both, target.filename().string(), size, run);
    for (const Path& path : set.parts) {
        const FileRanged part(path);
        conveyor.carry(part, 0, part.size(), &file, true);
        conveyor.end_piece();
    }
    JoinReport report{target, size, conveyor.whole(), set.parts.size(), false, whole.has_value()};
    check_parts(set, wanted, conveyor.pieces());
    if (whole && *whole != report.sha256) {
        throw IntegrityError(set.file + ", joined, is not what was split", whole->text(), report.sha256.text());
    }
    report.parts_proved =
        std::all_of(wanted.begin(), wanted.end(), [](const auto& digest) { return digest.has_value(); });
    file.commit();
    return report;
}

}  // namespace cooper::delivery
