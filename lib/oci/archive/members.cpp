#include "oci/archive/members.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/counting_source.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::oci {

namespace {

/// These say what the archive holds: no writer repeats them, and two readers would take different ones.
constexpr std::array<std::string_view, 4> kTablesOfContents = {"manifest.json", "index.json", "oci-layout",
                                                               "repositories"};

/// The target of the symlink at `name`, which is relative to the link's own directory; nullopt when it leads out.
std::optional<std::string> symlink_target(const std::string& name, std::string_view link) {
    if (link.starts_with('/')) {
        return std::nullopt;
    }
    std::vector<std::string_view> steps = split(name, '/');
    steps.pop_back();
    for (const std::string_view step : split(link, '/')) {
        if (step == "..") {
            if (steps.empty()) {
                return std::nullopt;
            }
            steps.pop_back();
        } else if (!step.empty() && step != ".") {
            steps.push_back(step);
        }
    }
    std::string target;
    for (const std::string_view step : steps) {
        target += (target.empty() ? "" : "/") + std::string(step);
    }
    return target;
}

[[noreturn]] void two_members(const std::string& name) {
    throw Error(ErrorCode::Integrity, "the archive has two members called " + printable(name));
}

}  // namespace

std::optional<std::string> member_name(std::string_view path) {
    std::string name;
    for (const std::string_view step : split(path, '/')) {
        if (step == "..") {
            return std::nullopt;
        }
        if (!step.empty() && step != ".") {
            name += (name.empty() ? "" : "/") + std::string(step);
        }
    }
    return name.empty() ? std::nullopt : std::optional(std::move(name));
}

Members::Members(std::shared_ptr<const FileRanged> file, const Run& run) : file_(std::move(file)) {
    std::uint64_t offset = 0;
    // A reader per member: contents are stepped over, not read.
    for (std::size_t count = 0; offset < file_->size(); ++count) {
        run.check();
        if (count == kMaxMembers) {
            throw Error(ErrorCode::InvalidInput,
                        "the archive has more than " + std::to_string(kMaxMembers) + " members");
        }
        CountingSource source(file_->open(offset, file_->size() - offset));
        TarReader reader(source);
        const auto entry = reader.next();
        if (!entry) {
            break;
        }
        const std::uint64_t content = offset + source.count();
        if (entry->size > file_->size() - content) {
            throw IntegrityError("the archive ends inside its member " + printable(entry->path),
                                 std::to_string(entry->size) + " bytes", std::to_string(file_->size() - content));
        }
        add(*entry, content);
        offset = content + entry->size + tar_padding(entry->size);
    }
    compare_repeats(run);
}

void Members::add(const TarEntry& entry, std::uint64_t offset) {
    const bool is_link = entry.type == TarType::Symlink || entry.type == TarType::HardLink;
    if (!is_link && entry.type != TarType::File) {
        return;  // directories and devices hold nothing that could be read
    }
    auto name = member_name(entry.path);
    if (!name) {
        throw Error(ErrorCode::Integrity, "the archive's member " + printable(entry.path) + " leads out of it");
    }
    name_bytes_ += name->size() + entry.link.size();
    if (name_bytes_ > kMaxMemberNames) {
        throw Error(ErrorCode::InvalidInput,
                    "the names in the archive take more than " + std::to_string(kMaxMemberNames) + " bytes");
    }
    Member member;
    if (entry.type == TarType::File) {
        member.content = Range{offset, entry.size};
    } else {
        // A hard link's target is a member's whole name.
        member.target = entry.type == TarType::HardLink ? member_name(entry.link) : symlink_target(*name, entry.link);
    }
    const auto [known, fresh] = members_.try_emplace(*name, member);
    if (!fresh) {
        repeated(*name, known->second, member);
    }
}

void Members::repeated(const std::string& name, const Member& first, const Member& again) {
    const bool may_repeat =
        std::find(kTablesOfContents.begin(), kTablesOfContents.end(), name) == kTablesOfContents.end();
    const bool same_size = first.content && again.content && first.content->size == again.content->size;
    const bool same_link = !first.content && !again.content && first.target == again.target;
    if (!may_repeat || (!same_size && !same_link)) {
        two_members(name);
    }
    if (same_size) {
        repeats_.emplace_back(*first.content, *again.content);
    }
}

/// Every repeat is read once and compared with what it repeats: no more than the archive twice.
void Members::compare_repeats(const Run& run) const {
    std::vector<std::byte> buffer(repeats_.empty() ? 0 : kStreamStep);
    std::vector<std::byte> other(buffer.size());
    for (const auto& repeat : repeats_) {
        const auto one = open(repeat.first);
        const auto two = open(repeat.second);
        while (const std::size_t count = read_full(*one, buffer)) {
            run.check();
            const std::size_t there = read_full(*two, other);
            if (as_text(Bytes(buffer).first(count)) != as_text(Bytes(other).first(there))) {
                const auto named = std::find_if(members_.begin(), members_.end(),
                                                [&](const auto& each) { return each.second.content == repeat.first; });
                two_members(named->first);
            }
        }
    }
}

std::optional<Range> Members::find(std::string_view path) const {
    std::optional<std::string> name = member_name(path);
    for (int links = 0; name; ++links) {
        const auto found = members_.find(*name);
        if (found == members_.end()) {
            return std::nullopt;
        }
        if (found->second.content) {
            return found->second.content;
        }
        if (links == kMaxMemberLinks) {
            throw Error(ErrorCode::Integrity, "the archive's member " + printable(path) +
                                                  " is a link that leads through more than " +
                                                  std::to_string(kMaxMemberLinks) + " others");
        }
        name = found->second.target;
    }
    return std::nullopt;
}

Range Members::get(std::string_view path, std::string_view where) const {
    if (const auto range = find(path)) {
        return *range;
    }
    throw Error(ErrorCode::Integrity, "the archive's " + std::string(where) + " names the member " + printable(path) +
                                          ", which is not there");
}

std::string Members::text(const Range& range, std::size_t limit, std::string_view name) const {
    return read_all(*open(range), limit, "archive member " + printable(name));
}

std::optional<std::string> Members::find_text(std::string_view path, std::size_t limit) const {
    const auto range = find(path);
    return range ? std::optional(text(*range, limit, path)) : std::nullopt;
}

std::vector<std::string> Members::names_below(std::string_view prefix) const {
    std::vector<std::string> names;
    for (auto at = members_.lower_bound(prefix); at != members_.end() && at->first.starts_with(prefix); ++at) {
        names.push_back(at->first);
    }
    return names;
}

std::unique_ptr<Source> Members::open(const Range& range, std::uint64_t skipped_bytes) const {
    return file_->open(range.offset + skipped_bytes, range.size - skipped_bytes);
}

}  // namespace cooper::oci
