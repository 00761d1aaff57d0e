// Lists of patterns that leave files out: gitwildmatch as the Dirhash tools use it, and .dockerignore as BuildKit reads
// it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// A match list and an ignore list as dirhash-python 0.5.0 joins them for pathspec 0.12.1 ("gitwildmatch";
/// `tags.md` 4.3 and 4.4): the patterns are the match list followed by "!" + each ignore pattern, later duplicates
/// dropped; the last pattern that matches decides; nothing matching means left out. Only paths of files are asked,
/// never of directories, so re-including below an ignored directory works (unlike in git). Matching is on code points,
/// an undecodable byte counting as one, in time linear in pattern x path. Safe from several threads.
class WildmatchList {
public:
    /// Throws Error{InvalidInput} that quotes the pattern.
    WildmatchList(const std::vector<std::string>& match, const std::vector<std::string>& ignore);
    WildmatchList(WildmatchList&&) noexcept;
    WildmatchList& operator=(WildmatchList&&) noexcept;
    ~WildmatchList();

    /// `path` is below the root, components joined by '/', without a leading one.
    [[nodiscard]] bool includes(std::string_view path) const;

private:
    struct Pattern;
    std::vector<Pattern> patterns_;
    bool everything_ = false;  ///< the list is exactly ["*"]
};

/// A .dockerignore file (moby/patternmatcher, MatchesOrParentMatches; `dockerfile.md` section 5): '#' in column 1 is a
/// comment, '!' re-includes, a pattern that matches a directory covers all below it, the last one that matches decides.
/// A pattern whose regular expression Go would not compile ("a\y", "[z-a]*") fails when it is first evaluated, as
/// there: every question may throw Error{InvalidInput} that quotes it. Takes time in proportion to patterns x path.
/// Safe from several threads.
class Dockerignore {
public:
    /// What all patterns say about one path; needed for the questions about what lies below it.
    struct Answer {
        bool excluded = false;
        std::vector<bool> matched;  ///< by pattern
    };

    /// Nothing is left out.
    Dockerignore();
    /// The text of a file; `what` names it in errors. Throws Error{InvalidInput} with the line.
    static Dockerignore parse(std::string_view text, std::string_view what);
    /// Patterns that were read already ("!keep", "**/*.pyc"). Throws Error{InvalidInput} that quotes the pattern.
    explicit Dockerignore(const std::vector<std::string>& patterns);
    Dockerignore(Dockerignore&&) noexcept;
    Dockerignore& operator=(Dockerignore&&) noexcept;
    ~Dockerignore();

    /// The patterns in a file's text, cleaned; not checked, a lone "!" is one too. Throws Error{InvalidInput} beyond
    /// the limits (64 KiB a line, 10,000 patterns).
    static std::vector<std::string> read_patterns(std::string_view text, std::string_view what);

    /// The cleaned patterns, in order.
    [[nodiscard]] const std::vector<std::string>& patterns() const noexcept { return texts_; }
    /// `path` is below the context's root, without a leading '/'.
    [[nodiscard]] bool excludes(std::string_view path) const;
    /// True when the directory is excluded and no '!' pattern can match below it: it need not be opened.
    [[nodiscard]] bool excludes_all_below(std::string_view directory) const;

    /// What BuildKit's walk finds out, which asks from the root down: `parent` is the answer about the directory that
    /// holds `path`, nullptr at the top. Differs from excludes() where a '!' pattern matches the directory but did not
    /// count there ("a/x", then "!a": excludes() re-includes a/x, the walk does not).
    [[nodiscard]] Answer ask(std::string_view path, const Answer* parent) const;
    /// excludes_all_below() for a directory with this answer.
    [[nodiscard]] bool excludes_all_below(std::string_view directory, const Answer& answer) const;

private:
    struct Pattern;

    void add(std::string_view text);
    [[nodiscard]] static bool evaluate(const Pattern& pattern, std::string_view path);

    std::vector<std::string> texts_;
    std::vector<Pattern> patterns_;
};

}  // namespace cooper::build
