#include "cooper/oci/store.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/ranged.hpp"

#include "oci/store/store_blobs.hpp"
#include "oci/store/store_state.hpp"

#include <algorithm>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

/// Writes a blob whose bytes come from `content`, which checks them.
void keep_all(const StoreDirectory& directory, const Digest& digest, Source& content) {
    if (!directory.why_read_only().empty()) {
        throw Error(ErrorCode::System, directory.why_read_only());
    }
    const fs::path path = directory.new_ingest_file(digest);
    AtomicFile file(path);
    static_cast<void>(try_flock(file.descriptor(), path));  // so that gc sees that it is not left over
    copy(content, file);
    file.commit(AtomicFile::IfExists::Fail);
    directory.publish(file.descriptor(), path, digest);
}

}  // namespace

Store::Store(const fs::path& directory) : state_(std::make_shared<State>(directory)) {}
Store::~Store() = default;

std::optional<fs::path> Store::default_directory(const Environment& environment) {
    if (const auto given = environment.get("COOPER_STORE")) {
        return *given;
    }
    fs::path data;
    if (const auto given = environment.get("XDG_DATA_HOME"); given && given->starts_with('/')) {
        data = *given;  // a relative one is to be ignored: XDG base directory specification 0.8
    } else if (const std::string home = environment.home(); home != "/") {
        data = fs::path(home) / ".local/share";
    } else {
        return std::nullopt;
    }
    return data / "cooper" / "store";
}

const fs::path& Store::path() const noexcept {
    return state_->path();
}

OciLayout Store::layout() const {
    return OciLayout::open(path());
}

bool Store::has(const Digest& blob) const {
    return state_->use(blob).has_value();
}

std::optional<fs::path> Store::find(const Digest& blob) const {
    return has(blob) ? std::optional(state_->blob_file(blob)) : std::nullopt;
}

std::shared_ptr<const Blobs> Store::through(std::shared_ptr<const Blobs> base, WhenFull when_full) const {
    return std::make_shared<StoreBlobs>(state_, StoreBlobs::without_store(std::move(base), *state_), when_full);
}

void Store::keep(const Digest& digest, std::string_view bytes) const {
    const auto checked = verified(std::make_unique<MemorySource>(bytes), digest, bytes.size(),
                                  "what is to be kept as " + digest.shortened());
    if (const auto stored = state_->use(digest);
        stored && static_cast<std::uint64_t>(stored->st_size) == bytes.size()) {
        return;
    }
    keep_all(*state_, digest, *checked);
}

void Store::adopt(const Digest& digest, const fs::path& file) const {
    if (has(digest) || state_->link(file, digest)) {
        return;
    }
    const FileRanged content(file);
    keep_all(*state_, digest, *verified(content.open(), digest, content.size(), file.string()));
}

}  // namespace cooper::oci
