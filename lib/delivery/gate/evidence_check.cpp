// Whether an image is the one that was tested, and what differs.
#include "cooper/base/compression.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/diff.hpp"
#include "cooper/delivery/evidence.hpp"

#include "build/layer/layer_stream.hpp"
#include "delivery/gate/evidence_files.hpp"
#include "delivery/gate/file_list.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxTold = 10;                     // files, layers, members of the config; the rest is counted
constexpr std::size_t kMaxLayerInMemory = 256ULL << 20;  // lines of one tested layer: a million entries

void add_counted(std::vector<std::string>& to, const std::string& where, std::vector<std::string> lines,
                 std::size_t total, const std::string& what) {
    for (std::string& line : lines) {
        to.push_back(std::move(line));
    }
    if (total > lines.size()) {
        to.push_back(where + ": and " + std::to_string(total - lines.size()) + " more " + what);
    }
}

std::string type_word(char type) {
    switch (static_cast<TarType>(type)) {
        case TarType::File:
            return "file";
        case TarType::HardLink:
            return "hard link";
        case TarType::Symlink:
            return "symlink";
        case TarType::Directory:
            return "directory";
        case TarType::CharDevice:
        case TarType::BlockDevice:
            return "device";
        case TarType::Fifo:
            return "fifo";
    }
    return "?";
}

/// "mode (0755, tested 0644), content (12 bytes, tested 10)".
std::string fields_that_differ(const ListedFile& now, const ListedFile& tested) {
    std::string out;
    const auto add = [&](const char* field, const std::string& a, const std::string& b) {
        out += (out.empty() ? "" : ", ") + std::string(field);
        out += a == b ? "" : " (" + oci::printable(a, 80) + ", tested " + oci::printable(b, 80) + ")";
    };
    if (now.type != tested.type) {
        add("type", type_word(now.type), type_word(tested.type));
    }
    if (now.content != tested.content && now.type == tested.type) {
        add("content", now.size + " bytes", tested.size + " bytes");
    }
    if (now.mode != tested.mode) {
        add("mode", now.mode, tested.mode);
    }
    if (now.owner != tested.owner) {
        add("owner", now.owner, tested.owner);
    }
    if (now.mtime != tested.mtime) {
        add("mtime", now.mtime, tested.mtime);
    }
    if (now.link != tested.link) {
        add("link target", now.link, tested.link);
    }
    if (now.device != tested.device) {
        add("device", now.device, tested.device);
    }
    if (now.attributes != tested.attributes) {
        add("extended attributes", {}, {});
    }
    return out.empty() ? "size" : out;
}

bool differ_in_time_alone(const ListedFile& a, ListedFile b) {
    b.mtime = a.mtime;
    return a == b;
}

/// The lines of a tested layer by path, against which those of the layer at hand are held as they come.
class TestedLayer {
public:
    /// False: it is too large.
    bool read(FileListReader& list) {
        std::size_t bytes = 0;
        while (const std::string* line = list.next_file()) {
            bytes += line->size() + sizeof(std::string);
            if (bytes > kMaxLayerInMemory) {
                return false;
            }
            by_path_[std::string(path_of_line(*line))].lines.push_back(*line);
        }
        return true;
    }

    void compare(const std::string& line) {
        const auto found = by_path_.find(std::string(path_of_line(line)));
        if (found == by_path_.end() || found->second.next == found->second.lines.size()) {
            tell(line, "not in the tested image");
            return;
        }
        const std::string& tested = found->second.lines[found->second.next++];
        if (tested == line) {
            return;
        }
        const ListedFile now = parse_file_line(line, "the layer"), then = parse_file_line(tested, "the list");
        const std::string fields = fields_that_differ(now, then);
        if (differ_in_time_alone(now, then)) {
            tell_time(now.path, fields);
        } else {
            tell_path(now.path, fields);
        }
    }

    void find_missing() {
        std::vector<std::string_view> missing;
        for (const auto& [path, entries] : by_path_) {
            if (entries.next < entries.lines.size()) {
                missing.push_back(path);
            }
        }
        std::sort(missing.begin(), missing.end());
        for (const std::string_view path : missing) {
            tell_path(percent_decode(path), "missing, it is in the tested image");
        }
    }

    /// What differs in more than its time first: a rebuild gives every file another one.
    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> lines = lines_;
        if (total_ > lines.size()) {
            lines.push_back("and " + std::to_string(total_ - lines.size()) + " more files");
        }
        if (total_ > 0 && times_ > 0) {
            lines.push_back("and " + std::to_string(times_) + " that differ in nothing but their time");
        } else if (times_ > 0) {
            lines.insert(lines.end(), time_lines_.begin(), time_lines_.end());
            if (times_ > time_lines_.size()) {
                lines.push_back("and " + std::to_string(times_ - time_lines_.size()) + " more files in their time");
            }
        }
        return lines;
    }

private:
    struct Entries {
        std::vector<std::string> lines;  // a tar may have a path several times
        std::size_t next = 0;
    };

    void tell(const std::string& line, const std::string& what) { tell_path(percent_decode(path_of_line(line)), what); }
    void tell_path(const std::string& path, const std::string& what) {
        if (++total_ <= kMaxTold) {
            lines_.push_back(oci::printable(path) + ": " + what);
        }
    }
    void tell_time(const std::string& path, const std::string& what) {
        if (++times_ <= kMaxTold) {
            time_lines_.push_back(oci::printable(path) + ": " + what);
        }
    }

    std::unordered_map<std::string, Entries> by_path_;
    std::vector<std::string> lines_;
    std::size_t total_ = 0;
    std::vector<std::string> time_lines_;  // of files that differ in nothing else
    std::size_t times_ = 0;
};

/// The list of files beside the evidence, once its digest is known to be right.
FileListReader open_list(const std::filesystem::path& path, const Digest& digest, const Run& run) {
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (!file.valid() || ::fstat(file.get(), &status) != 0) {
        throw SystemError("cannot open the list of files " + path.string(), errno);
    }
    if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) > kMaxFileListStored) {
        throw Error(ErrorCode::InvalidInput, path.string() + " is no list of files: not a regular file of at most " +
                                                 format_bytes(kMaxFileListStored));
    }
    const FileRanged content(std::move(file), path);
    const auto checked = verified(content.open(), digest, content.size(), path.string());
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kStreamStep);
    while (checked->read({buffer.get(), kStreamStep}) > 0) {
        run.check();
    }
    return {decompressed(content.open(), Compression::Zstd, {.max_output = kMaxFileList}), path.string()};
}

class EvidenceCheck {
public:
    EvidenceCheck(const EvidenceSet::Item& tested, const oci::Image& at_hand, const std::optional<Digest>& tarball,
                  bool same_form, const Run& run)
        : path_(tested.path),
          tested_(tested.evidence),
          at_hand_(at_hand),
          tarball_(tarball),
          same_form_(same_form && !tested.evidence.manifest_is_made),
          run_(run) {}

    void check() {
        const auto& ids = at_hand_.config.diff_ids;
        same_content_ = at_hand_.manifest.config.digest == tested_.config && ids == tested_.diff_ids;
        compare("image ID", at_hand_.manifest.config.digest, tested_.config);
        const bool same_manifest = at_hand_.manifest.raw.digest == tested_.manifest;
        if (!same_content_ || same_form_) {
            compare("manifest", at_hand_.manifest.raw.digest, tested_.manifest);
        }
        // Another manifest is layers compressed otherwise: another tarball of the same image.
        if (tarball_ && tested_.tarball && (same_form_ || same_manifest)) {
            compare("tarball", *tarball_, *tested_.tarball);
        }
        if (ids != tested_.diff_ids) {
            compare_layers();
        }
        if (first_ == nullptr) {
            return;
        }
        explain();
        fail();
    }

private:
    void compare(const char* what, const Digest& now, const Digest& tested) {
        if (now == tested) {
            return;
        }
        lines_.push_back(std::string(what) + ": " + now.text() + ", tested " + tested.text());
        remember(what, now.text(), tested.text());
    }

    void remember(const char* what, const std::string& now, const std::string& tested) {
        if (first_ == nullptr) {
            first_ = what;
            now_text_ = now;
            tested_text_ = tested;
        }
    }

    void compare_layers() {
        const auto &now = at_hand_.config.diff_ids, &tested = tested_.diff_ids;
        if (now.size() != tested.size()) {
            const std::string count = std::to_string(now.size()) + " layers";
            lines_.push_back(count + ", tested " + std::to_string(tested.size()));
        }
        std::size_t total = 0;
        std::vector<std::string> told;
        for (std::size_t i = 0; i < std::max(now.size(), tested.size()); ++i) {
            if (i < now.size() && i < tested.size() && now[i] == tested[i]) {
                continue;
            }
            if (++total <= kMaxTold) {
                told.push_back("layer " + std::to_string(i + 1) + ": diff ID " +
                               (i < now.size() ? now[i].text() : "none") + ", tested " +
                               (i < tested.size() ? tested[i].text() : "none"));
            }
            layer_ = std::min(layer_, i);
        }
        const std::size_t i = layer_;
        remember("diff IDs", i < now.size() ? now[i].text() : "no layer " + std::to_string(i + 1),
                 i < tested.size() ? tested[i].text() : "no layer " + std::to_string(i + 1));
        add_counted(lines_, "layers", std::move(told), total, "of them");
    }

    /// Down to files and members, as far as the list of files tells.
    void explain() {
        if (same_content_) {
            return;
        }
        if (!tested_.files) {
            lines_.emplace_back("the evidence has no list of files, so which of them differ is not known");
            return;
        }
        try {
            FileListReader list = open_list(file_list_of(path_), *tested_.files, run_);
            explain_config(list.config());
            explain_layer(list);
        } catch (const Error& error) {
            lines_.push_back(std::string("what differs in it could not be told: ") + error.what());
        }
    }

    void explain_config(const std::string& tested) {
        if (at_hand_.manifest.config.digest == tested_.config || sha256(tested) != tested_.config) {
            return;
        }
        std::vector<std::string> told;
        std::size_t total = 0;
        for (const auto& change : build::diff_json(tested, at_hand_.config.raw, "config")) {
            if (change.pointer.starts_with("/rootfs/diff_ids")) {
                continue;  // told as layers
            }
            if (++total <= kMaxTold) {
                told.push_back("config: " + oci::printable(change.pointer) + " " + variable_of(change) +
                               std::string(to_string(change.kind())));
            }
        }
        if (total == 0 && at_hand_.config.diff_ids == tested_.diff_ids) {
            told.emplace_back("config: the same members in another order or spelling");
            total = 1;
        }
        add_counted(lines_, "config", std::move(told), total, "members");
    }

    /// The name of a changed variable; values may be secrets.
    static std::string variable_of(const build::ValueChange& change) {
        const std::string text = change.after.value_or(change.before.value_or(""));
        const std::size_t equals = text.find('=');
        return change.pointer.starts_with("/config/Env/") && text.starts_with('"') && equals != std::string::npos
                   ? "(" + oci::printable(std::string_view(text).substr(1, equals - 1)) + ") "
                   : "";
    }

    void explain_layer(FileListReader& list) {
        if (layer_ >= std::min(at_hand_.config.diff_ids.size(), tested_.diff_ids.size())) {
            return;
        }
        const std::string where = "layer " + std::to_string(layer_ + 1);
        std::optional<Digest> diff_id = list.next_layer();
        for (std::size_t i = 0; i < layer_ && diff_id; ++i) {
            diff_id = list.next_layer();
        }
        if (diff_id != tested_.diff_ids[layer_]) {
            throw Error(ErrorCode::InvalidInput, "the list of files is of another image");
        }
        TestedLayer tested;
        if (!tested.read(list)) {
            lines_.push_back(where + ": it has too many files to compare them");
            return;
        }
        list_layer_files(
            at_hand_, layer_, [&](const std::string& line) { tested.compare(line); }, run_);
        tested.find_missing();
        const std::vector<std::string> told = tested.lines();
        if (told.empty()) {
            lines_.push_back(where + ": the same files; their order or the tar's own bytes differ");
        }
        for (const std::string& line : told) {
            lines_.push_back(where + ": " + line);
        }
    }

    [[noreturn]] void fail() {
        std::string what = tested_.name + " is not the image that was tested";
        for (const std::string& line : lines_) {
            what += "\n" + line;
        }
        NotTested error(what + "\n" + first_, tested_text_, now_text_, std::move(lines_));
        if (same_content_ && std::string_view(first_) != "image ID") {
            error.advise(
                "config and layers agree: give the same NAME:TAG, --layers and --format, and an image from the same "
                "place");
        } else {
            error.advise("publish the very image that the test job had, or test this one");
        }
        throw error;
    }

    const std::filesystem::path& path_;
    const Evidence& tested_;
    const oci::Image& at_hand_;
    const std::optional<Digest>& tarball_;
    bool same_form_;
    const Run& run_;
    bool same_content_ = false;
    std::size_t layer_ = SIZE_MAX;  // the first that differs
    std::vector<std::string> lines_;
    const char* first_ = nullptr;  // what the first line is of
    std::string now_text_;
    std::string tested_text_;
};

}  // namespace

NotTested::NotTested(const std::string& what_was_checked, std::string expected, std::string actual,
                     std::vector<std::string> differences)
    : IntegrityError(what_was_checked, std::move(expected), std::move(actual)), differences_(std::move(differences)) {}
NotTested::~NotTested() = default;

void check_evidence(const EvidenceSet::Item& tested, const oci::Image& at_hand, const std::optional<Digest>& tarball,
                    bool same_form, const Run& run) {
    at_hand.check();
    EvidenceCheck(tested, at_hand, tarball, same_form, run).check();
}

}  // namespace cooper::delivery
