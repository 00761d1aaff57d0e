// Applies layers to one directory, entry by entry.
#pragma once

#include "cooper/build/apply.hpp"

#include "build/apply/directories.hpp"
#include "build/apply/metadata.hpp"
#include "build/apply/whiteout.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

namespace cooper::build {

/// Somebody who keeps what a layer says of lower ones, when it is unpacked by itself.
class LowerLayers {
public:
    virtual ~LowerLayers() = default;
    /// `name` is hidden; what this layer has there stays.
    virtual void hide(Directory& parent, const std::string& name) = 0;
    /// All that lower layers have in `directory` is hidden.
    virtual void hide_all(Directory& directory) = 0;
    /// Makes a link to a file that is in none of the entries so far; false: it is nowhere.
    virtual bool link(Directory& parent, const std::string& name, const TarEntry& entry) = 0;
    /// Whether hide() was called for `path`.
    [[nodiscard]] virtual bool is_hidden(const std::string& path) const = 0;
    /// The entry lies at `path` now; "" is the root.
    virtual void added(const std::string& path, const TarEntry& entry) = 0;
};

class LayerApplier {
public:
    /// `options` and `lower` must outlive it. With `lower` whiteouts remove nothing.
    LayerApplier(FileDescriptor root, const ApplyOptions& options,
                 Directories::Kernel kernel = Directories::Kernel::Newest, LowerLayers* lower = nullptr);

    /// One layer, whiteouts hiding what was there before. Reads the tar to its end.
    void apply(Source& tar, const Run& run);
    /// The root is new: without an entry of its own it gets mode 0755 and time 0.
    void describe_new_root();
    /// Gives directories their last modes and times, and what was left out a notice.
    Applied finish(const Run& run);
    /// Paths of the layer's entries, when something lies below it.
    [[nodiscard]] const std::unordered_set<std::string>& own_paths() const noexcept { return own_; }

private:
    void place(Directory& parent, const std::string& name, const TarEntry& entry, Source& content, const Run& run);
    void add(const TarEntry& entry, Source& content, const Run& run);
    void add_root(const TarEntry& entry);
    void add_directory(Directory& parent, const std::string& name, const TarEntry& entry);
    void add_file(Directory& parent, const std::string& name, const TarEntry& entry, Source& content, const Run& run);
    void add_symlink(Directory& parent, const std::string& name, const TarEntry& entry);
    void add_hard_link(Directory& parent, const std::string& name, const TarEntry& entry);
    void add_node(Directory& parent, const std::string& name, const TarEntry& entry);

    void write_content(int file, const TarEntry& entry, Source& content, const Run& run);
    void describe_directory(Directory& directory, const TarEntry& entry);
    void describe_link(Directory& parent, const std::string& name, const TarEntry& entry, const struct stat& target);
    void describe_unopened(Directory& parent, const std::string& name, const TarEntry& entry, bool with_mode);
    void give_owner(Directory& parent, int file, const TarEntry& entry) const;

    void hide(const Whiteout& whiteout);
    void remove_hidden(const Whiteout& whiteout);
    void make_room(Directory& parent, const std::string& name);
    template <class Make>
    void create(Directory& parent, const std::string& name, std::string_view what, Make&& make);

    void remember_own(const std::string& path);
    void leave_out(const TarEntry& entry, std::string_view what, std::string_view why);
    LeaveOut leaving_out_of(const TarEntry& entry);

    const ApplyOptions& options_;
    Directories directories_;
    LowerLayers* lower_;
    Applied applied_;
    std::uint64_t left_out_ = 0;  // all of them; only some are listed
    std::uint64_t layer_bytes_ = 0;
    bool below_ = false;                   // the layer lies on something
    std::unordered_set<std::string> own_;  // paths of this layer's entries, when it does
    std::size_t own_bytes_ = 0;
    std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace cooper::build
