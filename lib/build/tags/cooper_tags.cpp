// Profile cooper; the specification stands at cooper_tags() in the public header.
#include "cooper/base/text.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/build/tree.hpp"
#include "cooper/oci/reference.hpp"

#include "build/paths.hpp"
#include "build/tags/tag_kinds.hpp"
#include "build/tags/tag_levels.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <iterator>

namespace cooper::build {

namespace {

constexpr std::string_view kNoBase = "scratch";
constexpr std::size_t kMaxSlug = 40;
constexpr std::size_t kMaxText = 128 * 1024;  // as long as one argument of a program can be on Linux

Error invalid(const std::string& message) {
    return {ErrorCode::InvalidInput, message};
}

bool is_slug_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

void check_version(const std::string& version) {
    const bool legal = std::all_of(version.begin(), version.end(), is_slug_character) && !version.empty() &&
                       version.front() != '.' && version.front() != '-';
    if (legal) {
        return;
    }
    auto error = invalid("the version '" + oci::printable(version) +
                         "' cannot be part of a tag: it must be letters, digits, '.' and '-', and begin with a letter "
                         "or digit");
    if (version.find('+') != std::string::npos) {
        error.advise("tags cannot hold '+': leave build metadata out, or write it with '-' or '.'");
    } else if (version.find('_') != std::string::npos) {
        error.advise("'_' separates the parts of a tag: write '-' or '.' instead");
    }
    throw error;
}

void check_suffix(const std::string& suffix) {
    const bool legal =
        suffix.empty() || (suffix.front() == '-' && std::all_of(suffix.begin(), suffix.end(), is_slug_character));
    if (!legal) {
        throw invalid("the suffix '" + oci::printable(suffix) +
                      "' cannot end a tag of profile cooper: it must be '-' and then letters, digits, '.' and '-'");
    }
}

void check_text(const std::string& text, const std::string& what) {
    if (text.size() > kMaxText) {
        throw invalid(what + " has " + std::to_string(text.size()) + " bytes, more than the limit of " +
                      std::to_string(kMaxText));
    }
}

// --- the base ------------------------------------------------------------------------------------------------------

struct Base {
    std::optional<Digest> digest;  ///< nullopt: scratch
    std::string slug;
};

std::string slug_of(const oci::Reference& reference) {
    const auto tag = reference.effective_tag();
    std::string slug = reference.with_tag(tag.value_or("latest")).familiar();
    if (!tag) {
        slug.erase(slug.rfind(':'));
    }
    std::replace_if(
        slug.begin(), slug.end(), [](char c) { return !is_slug_character(c); }, '-');
    if (slug.size() > kMaxSlug) {
        slug.erase(0, slug.size() - kMaxSlug);
    }
    return slug.substr(std::min(slug.find_first_not_of("-."), slug.size()));
}

Base resolve_base(const TagInputs& inputs) {
    if (inputs.base == kNoBase) {
        if (inputs.base_digest) {
            throw invalid("the base 'scratch' is no image and has no digest, but one was given");
        }
        return {std::nullopt, std::string(kNoBase)};
    }
    const auto reference = in_context("the base image", [&] { return oci::Reference::parse(inputs.base); });
    const auto& named = reference.digest();
    if (named && inputs.base_digest && *named != *inputs.base_digest) {
        throw invalid("the base image '" + oci::printable(inputs.base) + "' names another digest than the given " +
                      inputs.base_digest->text());
    }
    const auto& digest = inputs.base_digest ? inputs.base_digest : named;
    if (!digest) {
        throw invalid("the digest of the base image '" + oci::printable(inputs.base) + "' is not known")
            .advise("a tag moves, so it does not say what is built on: name the base by digest, " +
                    oci::printable(inputs.base) + "@sha256:…");
    }
    return {digest, slug_of(reference)};
}

// --- recipes and lock files ----------------------------------------------------------------------------------------

std::string path_below_root(const std::string& path, const std::string& what) {
    const auto parts = split(path, '/');
    const bool leaves = path.starts_with('/') || std::find(parts.begin(), parts.end(), "..") != parts.end();
    if (leaves || path.find('\0') != std::string::npos) {
        throw invalid("the " + what + " '" + oci::printable(path) + "' is not a path below the root")
            .advise("name it from the root on, without '..'");
    }
    auto clean = clean_path(path);
    if (clean.empty()) {
        throw invalid("the " + what + " '" + oci::printable(path) + "' is the root itself, not a file below it");
    }
    return clean;
}

std::vector<std::string> paths_below_root(const std::vector<std::string>& paths, const std::string& what) {
    std::vector<std::string> clean;
    for (const auto& path : paths) {
        clean.push_back(path_below_root(path, what));
    }
    return clean;
}

/// The files that are named one by one, whatever the ignore lists say. They are read each time: remembering them would
/// replace what is remembered of the sources below the same root.
class NamedFiles {
public:
    NamedFiles(const TagInputs& inputs, const Run& run)
        : recipes_(paths_below_root(inputs.recipes, "recipe")),
          lock_files_(paths_below_root(inputs.lock_files, "lock file")) {
        std::sort(recipes_.begin(), recipes_.end());
        recipes_.erase(std::unique(recipes_.begin(), recipes_.end()), recipes_.end());
        TreeOptions options;
        options.root = inputs.root;
        options.sources = recipes_;
        options.sources.insert(options.sources.end(), lock_files_.begin(), lock_files_.end());
        options.dockerignore = false;
        options.threads = inputs.threads;
        if (!options.sources.empty()) {
            in_context("while reading recipes and lock files", [&] { tree_ = read_tree(options, run); });
        }
    }

    [[nodiscard]] const std::vector<std::string>& recipes() const noexcept { return recipes_; }
    [[nodiscard]] const std::vector<std::string>& lock_files() const noexcept { return lock_files_; }
    [[nodiscard]] const TreeEntry& file(const std::string& path) const {
        const auto& entries = tree_.entries;
        const auto at = std::lower_bound(entries.begin(), entries.end(), path,
                                         [](const TreeEntry& entry, const auto& name) { return entry.path < name; });
        if (at == entries.end() || at->path != path || at->kind != EntryKind::File || !at->digest) {
            throw invalid("'" + oci::printable(path) + "' is not a regular file")
                .advise("recipes and lock files are named one by one, by their own paths and not by symlinks");
        }
        return *at;
    }

private:
    std::vector<std::string> recipes_;
    std::vector<std::string> lock_files_;
    Tree tree_;
};

// --- levels --------------------------------------------------------------------------------------------------------

std::vector<std::pair<std::string, std::string>> sorted_arguments(const TagInputs& inputs) {
    auto arguments = inputs.build_args;
    std::sort(arguments.begin(), arguments.end());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& name = arguments[i].first;
        if (name.empty() || name.find('=') != std::string::npos) {
            throw invalid("a build argument has the illegal name '" + oci::printable(name) + "'");
        }
        if (i > 0 && arguments[i - 1].first == name) {
            throw invalid("the build argument '" + oci::printable(name) + "' is given twice");
        }
        check_text(arguments[i].second, "the value of the build argument '" + oci::printable(name) + "'");
    }
    return arguments;
}

Digest hash_versioned(const TagInputs& inputs, const Base& base, const NamedFiles& files,
                      std::vector<RecordedInput>& record) {
    LevelHasher level(TagLevel::Versioned, "", record);
    level.add(kind::kVersion, "", inputs.version);
    if (base.digest) {
        level.add(kind::kBase, "", base.digest->text());
    } else {
        level.add(kind::kScratch, "", "");
    }
    level.add(kind::kPlatform, "", inputs.platform.normalised().text());
    check_text(inputs.target, "the target");
    level.add(kind::kTarget, "", inputs.target);
    for (auto& [name, value] : sorted_arguments(inputs)) {
        level.add_text(kind::kBuildArgument, kind::kSecretBuildArgument, name, value);
    }
    for (const auto& path : files.recipes()) {
        const auto& file = files.file(path);
        level.add(kind::kRecipe, path, file.digest->text(), file.mode, file.size);
    }
    return level.finish();
}

Digest hash_lock(const TagInputs& inputs, const Digest& before, const NamedFiles& files,
                 std::vector<RecordedInput>& record) {
    LevelHasher level(TagLevel::Lock, before.text(), record);
    for (const auto& dependency : inputs.extra_dependencies) {
        check_text(dependency, "an extra dependency");
        level.add_text(kind::kExtraDependency, kind::kSecretExtraDependency, "", dependency);
    }
    for (const auto& path : files.lock_files()) {
        const auto& file = files.file(path);
        level.add(kind::kLockFile, path, file.digest->text(), 0, file.size);
    }
    return level.finish();
}

TreeOptions tree_options(const TagInputs& inputs) {
    TreeOptions options;
    options.root = inputs.root;
    if (inputs.default_ignore) {
        options.ignore.assign(kDefaultIgnore.begin(), kDefaultIgnore.end());
    }
    options.threads = inputs.threads;
    return options;
}

bool path_less(const TreeEntry& a, const TreeEntry& b) {
    return a.path < b.path;
}

/// The extra files are not remembered, for the memory holds one tree of a root.
void merge_extra_files(const TagInputs& inputs, Tree& tree, const Run& run) {
    TreeOptions options = tree_options(inputs);
    options.sources = inputs.extra_files;
    options.dockerignore = false;
    Tree extra = read_tree(options, run);
    const auto middle = static_cast<std::ptrdiff_t>(tree.entries.size());
    std::move(extra.entries.begin(), extra.entries.end(), std::back_inserter(tree.entries));
    std::inplace_merge(tree.entries.begin(), tree.entries.begin() + middle, tree.entries.end(), path_less);
    tree.entries.erase(std::unique(tree.entries.begin(), tree.entries.end(),
                                   [](const TreeEntry& a, const TreeEntry& b) { return a.path == b.path; }),
                       tree.entries.end());
}

Tree read_sources(const TagInputs& inputs, const Run& run) {
    TreeOptions options = tree_options(inputs);
    options.sources = inputs.sources;
    options.ignore.insert(options.ignore.end(), inputs.ignore.begin(), inputs.ignore.end());
    options.dockerignore = inputs.dockerignore;
    options.cache_directory = inputs.cache_directory;
    Tree tree = read_tree(options, run);
    if (!inputs.extra_files.empty()) {
        merge_extra_files(inputs, tree, run);
    }
    return tree;
}

Digest hash_source_level(Tree&& tree, const Digest& before, std::vector<RecordedInput>& record) {
    LevelHasher level(TagLevel::Source, before.text(), record);
    record.reserve(record.size() + tree.entries.size());
    for (auto& entry : tree.entries) {
        switch (entry.kind) {
            case EntryKind::File:
                level.add(kind::kFile, std::move(entry.path), entry.digest.value().text(), entry.mode, entry.size);
                break;
            case EntryKind::Directory:
                level.add(kind::kDirectory, std::move(entry.path), "", entry.mode);
                break;
            case EntryKind::Symlink:
                level.add(kind::kSymlink, std::move(entry.path), std::move(entry.link), entry.mode);
                break;
        }
    }
    return level.finish();
}

}  // namespace

HashTags cooper_tags(const TagInputs& inputs, const Run& run) {
    check_version(inputs.version);
    check_suffix(inputs.suffix);
    const auto base = resolve_base(inputs);
    const NamedFiles files(inputs, run);

    HashTags tags;
    auto& record = tags.record.inputs;
    const auto versioned = hash_versioned(inputs, base, files, record);
    record.push_back({TagLevel::Versioned, std::string(kind::kBaseName), "", base.slug, 0, 0});
    if (!inputs.suffix.empty()) {
        record.push_back({TagLevel::Versioned, std::string(kind::kSuffix), "", inputs.suffix, 0, 0});
    }
    const auto lock = hash_lock(inputs, versioned, files, record);
    const auto source = hash_source_level(read_sources(inputs, run), lock, record);

    const auto beginning = inputs.version + "_";
    tags.versioned = beginning + base.slug + "-" + tag_digits(versioned) + inputs.suffix;
    tags.lock = beginning + tag_digits(lock) + inputs.suffix;
    tags.source = beginning + tag_digits(lock) + "_" + tag_digits(source) + inputs.suffix;
    check_tag(tags.source, "source tag");
    check_tag(tags.lock, "lock tag");
    check_tag(tags.versioned, "versioned tag");
    tags.record.profile = "cooper";
    tags.record.tags = {{"source", tags.source}, {"lock", tags.lock}, {"versioned", tags.versioned}};
    return tags;
}

}  // namespace cooper::build
