#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/build/context.hpp"

#include "base/hashed_file.hpp"
#include "base/reported_ranged.hpp"
#include "build/context/members.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace cooper::build {

/// The tar as it will be. Nothing of it is kept but names and one header's text.
struct ContextTar {
    std::string head;  ///< the generated Dockerfile's member, whole
    ContextMembers tree;
    std::uint64_t size = 0;
    std::uint64_t files = 0;
};

struct BuildContext::State : ContextTar {};

namespace {

constexpr std::uint64_t kEndOfArchive = 2 * kTarBlock;
constexpr std::size_t kContentBuffer = 256U << 10;

/// 1980-01-02: what is made of a context may be zipped (a Python wheel), and zip knows no earlier time.
constexpr std::int64_t kFirstTime = 315'619'200;
constexpr std::uint32_t kTimes = 1U << 29;  // 17 years of seconds

/// A time for a content: engines whose storage compares files by size and time (docker's and podman's vfs, overlay
/// without native diffs) leave a file out of a layer when both are as below, so contents that differ must not have one
/// time.
std::int64_t time_of(std::uint32_t checksum) {
    return kFirstTime + checksum % kTimes;
}

std::uint32_t checksum_of(std::string_view text) {
    return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

/// Owner 0:0: only names, modes and contents count. The header's size does not depend on the time.
std::string header_of(const ContextMember& member, std::int64_t time = kFirstTime) {
    TarEntry entry;
    entry.mtime = time;
    entry.type = member.kind == EntryKind::Directory ? TarType::Directory
                 : member.kind == EntryKind::Symlink ? TarType::Symlink
                                                     : TarType::File;
    entry.path = member.name;
    entry.link = member.link;
    entry.mode = member.mode;
    entry.size = member.size();
    return tar_header(entry);
}

std::string dockerfile_member(const std::string& text) {
    TarEntry entry;
    entry.path = kContextDockerfile;
    entry.mtime = time_of(checksum_of(text));
    entry.size = text.size();
    return tar_header(entry) + text + std::string(tar_padding(text.size()), '\0');
}

/// Streams a range of the tar, one file open at a time.
class ContextSource final : public Source {
public:
    ContextSource(std::shared_ptr<const ContextTar> tar, std::uint64_t offset, std::uint64_t length)
        : tar_(std::move(tar)), position_(offset), end_(offset + length) {
        const auto behind =
            std::upper_bound(members().begin(), members().end(), offset,
                             [](std::uint64_t wanted, const auto& member) { return wanted < member.offset; });
        next_ = static_cast<std::size_t>(behind - members().begin());
        if (next_ > 0) {
            enter(next_ - 1);
        }
    }

    std::size_t read(MutableBytes into) override {
        std::size_t done = 0;
        while (done < into.size() && position_ < end_) {
            const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(into.size() - done, end_ - position_));
            const auto count = read_piece(into.subspan(done, room));
            done += count;
            position_ += count;
        }
        return done;
    }

private:
    [[nodiscard]] const std::vector<ContextMember>& members() const { return tar_->tree.members; }

    void enter(std::size_t index) {
        member_ = &members()[index];
        next_ = index + 1;
        file_ = FileDescriptor();
        header_ = header_of(*member_, time_of_member());
        content_begin_ = member_->offset + header_.size();
        content_end_ = content_begin_ + member_->size();
        member_end_ = content_end_ + tar_padding(member_->size());
    }

    [[nodiscard]] std::int64_t time_of_member() {
        switch (member_->kind) {
            case EntryKind::File:
                open_file();  // also an empty one: it might have a content by now
                return time_of(checksum_of_file());
            case EntryKind::Symlink:
                return time_of(checksum_of(member_->link));
            case EntryKind::Directory:
                break;
        }
        return kFirstTime;
    }

    /// The header comes before the content, so a file is read twice; what is not large comes from memory then.
    [[nodiscard]] std::uint32_t checksum_of_file() {
        uLong checksum = 0;
        buffer_.resize(std::max<std::size_t>(buffer_.size(), std::min<std::uint64_t>(member_->size(), kContentBuffer)));
        for (std::uint64_t done = 0; done < member_->size();) {
            const auto count = tar_->tree.files->read_at(file_.get(), path_, done, buffer_);
            checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(buffer_.data()), count);
            done += count;
        }
        return static_cast<std::uint32_t>(checksum);
    }

    /// At least one byte.
    std::size_t read_piece(MutableBytes into) {
        if (position_ < tar_->head.size()) {
            return take(tar_->head, position_, into);
        }
        if (member_ == nullptr || position_ >= member_end_) {
            if (next_ == members().size()) {
                return zeros(tar_->size, into);
            }
            enter(next_);
        }
        if (position_ < content_begin_) {
            return take(header_, position_ - member_->offset, into);
        }
        return position_ < content_end_ ? read_content(into) : zeros(member_end_, into);
    }

    static std::size_t take(const std::string& from, std::uint64_t offset, MutableBytes into) {
        const auto count = std::min(into.size(), from.size() - static_cast<std::size_t>(offset));
        std::memcpy(into.data(), from.data() + offset, count);
        return count;
    }

    std::size_t zeros(std::uint64_t until, MutableBytes into) const {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), until - position_));
        std::memset(into.data(), 0, count);
        return count;
    }

    std::size_t read_content(MutableBytes into) {
        const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), content_end_ - position_));
        const auto count = tar_->tree.files->read_at(file_.get(), path_, position_ - content_begin_, into.first(room));
        if (position_ + count == content_end_) {
            tar_->tree.files->check_unchanged(file_.get(), path_, member_->status);
            file_ = FileDescriptor();
        }
        return count;
    }

    void open_file() {
        path_ = tar_->tree.path_of(*member_);
        file_ = tar_->tree.files->open(path_, member_->status);
    }

    std::shared_ptr<const ContextTar> tar_;
    std::uint64_t position_;
    std::uint64_t end_;
    std::size_t next_ = 0;
    const ContextMember* member_ = nullptr;  // the one that position_ is in
    std::string header_;
    std::string path_;
    std::uint64_t content_begin_ = 0;
    std::uint64_t content_end_ = 0;
    std::uint64_t member_end_ = 0;
    FileDescriptor file_;
    std::vector<std::byte> buffer_;
};

}  // namespace

BuildContext BuildContext::make(const ContextOptions& options, const Run& run) {
    auto state = std::make_shared<State>();
    state->head = dockerfile_member(options.dockerfile);
    state->tree =
        in_context("while listing the build context", [&]() -> ContextMembers { return list_members(options, run); });
    std::uint64_t offset = state->head.size();
    for (auto& member : state->tree.members) {
        member.offset = offset;
        offset += header_of(member).size() + member.size() + tar_padding(member.size());
        state->files += member.kind == EntryKind::File ? 1 : 0;
    }
    state->size = offset + kEndOfArchive;
    return BuildContext(std::move(state));
}

std::uint64_t BuildContext::size() const {
    return state_->size;
}

std::unique_ptr<Source> BuildContext::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    return std::make_unique<ContextSource>(state_, offset, length);
}

std::uint64_t BuildContext::files() const noexcept {
    return state_->files;
}

std::vector<std::string> BuildContext::names() const {
    std::vector<std::string> names;
    names.reserve(state_->tree.members.size() + 1);
    names.emplace_back(kContextDockerfile);
    for (const auto& member : state_->tree.members) {
        names.push_back(member.name);
    }
    return names;
}

WrittenContext write_context(const Ranged& context, const std::filesystem::path& file, const Run& run) {
    const std::string task = file.filename().string();
    HashedFile written(file);
    const auto compressing = gzip_compressing(written);
    ReportedSource reporting(context.open(), 0, task, *run.progress);
    run.progress->begin(task, context.size());
    copy(reporting, *compressing, run.stop);
    compressing->finish();
    run.progress->end(task);
    return {file, written.size(), written.digest()};
}

}  // namespace cooper::build
