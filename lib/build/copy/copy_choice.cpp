#include "build/copy/copy_choice.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"

#include "build/copy/archive.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

namespace cooper::build {

namespace {

constexpr std::string_view kPivot = "/./";

std::string shown(std::string_view source) {
    return "'" + oci::printable(source) + "'";
}

bool has_wildcard(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
            return true;
        }
    }
    return false;
}

/// The sources of one instruction.
class Chooser {
public:
    Chooser(const CopyInstruction& copy, const CopyInputs& inputs, const Run& run)
        : copy_(copy),
          inputs_(inputs),
          run_(run),
          root_(std::make_shared<SourceRoot>(inputs.root, inputs.tree == nullptr ? inputs.ignore : nullptr)) {
        if (!copy.exclude.empty()) {
            std::string lines;
            for (const auto& pattern : copy.exclude) {
                lines += pattern + "\n";
            }
            exclude_.emplace(Dockerignore::parse(lines, "--exclude"));
        }
    }

    std::vector<CopyItem> choose() {
        for (const auto& source : copy_.sources) {
            const auto fetched = std::find_if(inputs_.fetched.begin(), inputs_.fetched.end(),
                                              [&](const FetchedSource& one) { return one.source == source; });
            if (fetched != inputs_.fetched.end()) {
                add_fetched(*fetched);
            } else if (copy_.parents) {
                add_with_parents(source);
            } else {
                add_matches(source);
            }
        }
        for (const Heredoc& heredoc : copy_.inline_sources) {
            CopyItem item;
            item.kind = CopyItem::Kind::Text;
            item.name = heredoc.name;
            item.text = heredoc.content;
            items_.push_back(std::move(item));
        }
        if (items_.empty()) {
            throw_nothing();
        }
        return std::move(items_);
    }

private:
    [[noreturn]] void throw_nothing() const {
        std::string all;
        for (const auto& source : copy_.sources) {
            all += (all.empty() ? "" : ", ") + shown(source);
        }
        Error error(ErrorCode::NotFound, "nothing matches " + all);
        error.advise("sources are below " + root_->shown("") +
                     (inputs_.ignore != nullptr ? ", less what its ignore file leaves out" : ""));
        throw Error(error);
    }

    [[noreturn]] void throw_absent(const std::string& source, const std::string& path) const {
        Error error(ErrorCode::NotFound, "the source " + shown(source) + " is not in " + root_->shown(""));
        const bool hidden = inputs_.ignore != nullptr && SourceRoot(inputs_.root, nullptr).find(path).has_value();
        if (hidden) {
            error.advise("it is there, but the ignore file leaves it out");
        }
        throw Error(error);
    }

    // --- sources in the root --------------------------------------------------------------------------------------

    void add_matches(const std::string& source) {
        const std::string path = clean_path(source);
        if (!has_wildcard(path)) {
            auto found = find(path);
            if (!found || !add(root_, inputs_.tree, *found, std::string(file_name(path)), {})) {
                throw_absent(source, path);
            }
            return;
        }
        for (const auto& match : expand(path, source)) {
            auto found = find(match);
            if (!found) {
                throw Error(ErrorCode::NotFound, "the symbolic link " + root_->shown(match) + ", which the source " +
                                                     shown(source) + " matches, leads to nothing");
            }
            const std::string name(file_name(match));
            if (!S_ISDIR(found->status.st_mode) && exclude_ && exclude_->excludes(name)) {
                continue;
            }
            add(root_, inputs_.tree, *found, name, {});
        }
    }

    [[nodiscard]] std::optional<FoundSource> find(const std::string& path) const { return root_->find(path); }

    /// The paths that match, sorted; symlinks in them are not followed below the first wildcard.
    [[nodiscard]] std::vector<std::string> expand(const std::string& path, const std::string& source) const {
        if (is_malformed_pattern(path)) {
            throw Error(ErrorCode::InvalidInput, "the source " + shown(source) + " is a malformed pattern")
                .advise("'[' begins a class of characters: write '[[]' for the character itself");
        }
        const auto parts = split(path, '/');
        const auto first = std::find_if(parts.begin(), parts.end(), has_wildcard);
        std::string literal;
        for (auto part = parts.begin(); part != first; ++part) {
            literal = join_path(literal, *part);
        }
        std::vector<FoundSource> level;
        if (auto found = find(literal); found && S_ISDIR(found->status.st_mode)) {
            level.push_back(std::move(*found));
        }
        for (auto part = first; part != parts.end(); ++part) {
            level = match_level(level, *part, part + 1 == parts.end());
        }
        std::vector<std::string> paths;
        for (auto& found : level) {
            paths.push_back(std::move(found.path));
        }
        return paths;
    }

    [[nodiscard]] std::vector<FoundSource> match_level(const std::vector<FoundSource>& directories,
                                                       std::string_view pattern, bool last) const {
        std::vector<FoundSource> matches;
        for (const auto& directory : directories) {
            run_.check();
            for (auto& listed : root_->list(directory.path, directory.answer)) {
                if ((last || S_ISDIR(listed.status.st_mode)) && file_path_matches(pattern, listed.name)) {
                    matches.push_back({directory.path.empty() ? listed.name : join_path(directory.path, listed.name),
                                       listed.status, listed.hidden, std::move(listed.answer)});
                }
            }
        }
        return matches;
    }

    /// --parents: paths from the root on, or from "/./".
    void add_with_parents(const std::string& source) {
        const auto pivot = source.find(kPivot);
        const std::string above = pivot == std::string::npos ? "" : clean_path(source.substr(0, pivot));
        const std::string pattern =
            clean_path(pivot == std::string::npos ? source : source.substr(pivot + kPivot.size()));
        if (pattern.empty()) {  // as BuildKit has it: the way to nothing
            run_.progress->notice(NoticeLevel::Warning, "--parents " + shown(source) +
                                                            " names no path and copies nothing: write '*' behind it");
            CopyItem nothing;
            nothing.kind = CopyItem::Kind::Directory;
            nothing.from = root_;
            items_.push_back(std::move(nothing));
            return;
        }
        const DockerignorePattern include(pattern);
        if (is_malformed_pattern(pattern) || include.is_broken()) {
            throw Error(ErrorCode::InvalidInput, "the source " + shown(source) + " is a malformed pattern");
        }
        bool any = false;
        for (const auto& top : has_wildcard(above) ? expand(above, source) : std::vector<std::string>{above}) {
            const auto found = find(top);
            any = (found && S_ISDIR(found->status.st_mode) && add(root_, inputs_.tree, *found, "", &include)) || any;
        }
        if (!any && !has_wildcard(source)) {
            throw_absent(source, pattern);
        }
    }

    // --- what a source brings -------------------------------------------------------------------------------------

    /// False when it is a directory that is there only for what it holds, and that is hidden.
    bool add(const std::shared_ptr<const SourceRoot>& from, const RootTree* tree, const FoundSource& found,
             std::string name, const DockerignorePattern* include) {
        EntryReader reader(*from, tree, inputs_.epoch, run_);
        CopyItem item;
        item.from = from;
        item.root = found.path;
        if (S_ISDIR(found.status.st_mode)) {
            item.kind = CopyItem::Kind::Directory;
            item.entries = reader.read_directory(found, {exclude_ ? &*exclude_ : nullptr, include});
            if (item.entries.empty() && (found.hidden || include != nullptr)) {
                return false;
            }
        } else if (S_ISSOCK(found.status.st_mode)) {
            return true;
        } else {
            item.name = std::move(name);
            item.entries.push_back(reader.read_file(found));
            if (S_ISREG(found.status.st_mode) && copy_.add && copy_.unpack.value_or(true) && is_archive_at(item)) {
                item.kind = CopyItem::Kind::Archive;
            }
        }
        items_.push_back(std::move(item));
        return true;
    }

    static bool is_archive_at(const CopyItem& item) {
        FileDescriptor file = item.from->open(item.root);
        if (!file.valid()) {
            throw Error(ErrorCode::Integrity, item.from->shown(item.root) + " changed while it was read");
        }
        return is_archive(FileRanged(std::move(file), item.from->path() / item.root));
    }

    void add_fetched(const FetchedSource& fetched) {
        struct stat status {};
        if (stat(fetched.path.c_str(), &status) != 0) {
            throw SystemError("cannot look at what was fetched from " + shown(fetched.source), errno);
        }
        if (S_ISDIR(status.st_mode)) {
            const auto from = std::make_shared<SourceRoot>(fetched.path, nullptr);
            add(from, nullptr, FoundSource{"", status, false, {}}, "", nullptr);
            return;
        }
        if (fetched.name.empty() && names_directory(copy_.destination)) {
            throw Error(ErrorCode::InvalidInput, "the address " + shown(fetched.source) + " names no file")
                .advise("give the destination a name instead of a directory");
        }
        CopyItem item;
        item.from = std::make_shared<SourceRoot>(fetched.path.parent_path(), nullptr);
        item.root = fetched.path.filename();
        item.name = fetched.name;
        CopyEntry entry =
            EntryReader(*item.from, nullptr, inputs_.epoch, run_).read_file({item.root, status, false, {}});
        entry.attributes.mode = 0600;
        entry.attributes.mtime = std::clamp<std::int64_t>(fetched.mtime, 0, std::max<std::int64_t>(inputs_.epoch, 0));
        item.entries.push_back(std::move(entry));
        if (copy_.unpack.value_or(false) && is_archive_at(item)) {
            item.kind = CopyItem::Kind::Archive;
        }
        items_.push_back(std::move(item));
    }

    const CopyInstruction& copy_;
    const CopyInputs& inputs_;
    const Run& run_;
    std::shared_ptr<const SourceRoot> root_;
    std::optional<Dockerignore> exclude_;
    std::vector<CopyItem> items_;
};

}  // namespace

bool names_directory(std::string_view destination) {
    return destination.empty() || destination == "." || destination == ".." || destination.ends_with('/') ||
           destination.ends_with("/.") || destination.ends_with("/..");
}

std::vector<CopyItem> choose_items(const CopyInstruction& copy, const CopyInputs& inputs, const Run& run) {
    return Chooser(copy, inputs, run).choose();
}

}  // namespace cooper::build
