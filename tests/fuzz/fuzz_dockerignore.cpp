// A .dockerignore file against one path: the matcher, a second one for plain patterns, and what pruning promises.
// Input: the path, a newline, the file.
#include "cooper/build/ignore.hpp"

#include "fuzz.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::build;

namespace {

constexpr std::size_t kMaxInput = 400;  // the second matcher takes pattern x path for every pair

/// Slow and obvious: what "*", "?" and "**" mean, by the rest of the pattern and the rest of the path.
class PlainMatcher {
public:
    PlainMatcher(std::string_view pattern, std::string_view path)
        : pattern_(pattern), path_(path), known_((pattern.size() + 1) * (path.size() + 1)) {}

    bool matches(std::size_t i = 0, std::size_t j = 0) {
        const std::size_t at = i * (path_.size() + 1) + j;
        if (known_.at(at) == 0) {
            const bool found = find(i, j);
            known_.at(at) = found ? 1 : 2;
        }
        return known_.at(at) == 1;
    }

private:
    bool find(std::size_t i, std::size_t j) {
        if (i == pattern_.size()) {
            return j == path_.size();
        }
        if (pattern_.substr(i).starts_with("**")) {
            std::size_t rest = i + 2;
            rest += rest < pattern_.size() && pattern_[rest] == '/' ? 1U : 0U;
            if (rest == pattern_.size()) {
                return true;
            }
            // Nothing, or anything that ends with a slash; at the very beginning of a plain suffix any text at all.
            bool found = matches(rest, j);
            const bool plain_suffix = i == 0 && pattern_.substr(2).find_first_of("*?") == std::string_view::npos;
            for (std::size_t k = j; !found && k < path_.size(); ++k) {
                found = path_[k] == '/' && matches(rest, k + 1);
            }
            return found || (plain_suffix && path_.ends_with(pattern_.substr(2)));
        }
        if (pattern_[i] == '*') {
            bool found = matches(i + 1, j);
            for (std::size_t k = j; !found && k < path_.size() && path_[k] != '/'; ++k) {
                found = matches(i + 1, k + 1);
            }
            return found;
        }
        return j < path_.size() && (pattern_[i] == path_[j] || (pattern_[i] == '?' && path_[j] != '/')) &&
               matches(i + 1, j + 1);
    }

    std::string_view pattern_;
    std::string_view path_;
    std::vector<char> known_;
};

/// Characters that mean themselves, stars and question marks.
bool is_plain(std::string_view text) {
    for (const char c : text) {
        if (c <= ' ' || c > '~' || c == '[' || c == ']' || c == '\\' || c == '^') {
            return false;
        }
    }
    return true;
}

/// "a/b" of "a/b/c", and then "a".
std::vector<std::string_view> with_parents(std::string_view path) {
    std::vector<std::string_view> paths = {path};
    for (auto slash = path.rfind('/'); slash != std::string_view::npos && slash > 0;
         slash = path.rfind('/', slash - 1)) {
        paths.push_back(path.substr(0, slash));
    }
    return paths;
}

void compare_plain(const Dockerignore& ignore, std::string_view path) {
    bool excluded = false;
    for (std::string_view pattern : ignore.patterns()) {
        const bool excepts = pattern.starts_with('!');
        pattern.remove_prefix(excepts ? 1 : 0);
        for (const auto candidate : with_parents(path)) {
            if (PlainMatcher(pattern, candidate).matches()) {
                excluded = !excepts;
                break;
            }
        }
    }
    fuzz::check(ignore.excludes(path) == excluded, "both matchers agree");
}

/// Down from the top, as the walk asks.
void check_walk(const Dockerignore& ignore, std::string_view path) {
    auto directories = with_parents(path);
    Dockerignore::Answer above;
    const Dockerignore::Answer* parent = nullptr;
    bool closed = false;
    for (auto at = directories.rbegin(); at != directories.rend(); ++at) {
        auto answer = ignore.ask(*at, parent);
        fuzz::check(!closed || answer.excluded, "nothing comes back below a directory that need not be opened");
        closed = closed || ignore.excludes_all_below(*at, answer);
        above = std::move(answer);
        parent = &above;
    }
    for (const auto directory : directories) {
        fuzz::check(directory == path || !ignore.excludes_all_below(directory) || ignore.excludes(path),
                    "what is excluded with all below excludes the path");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, std::min(size, kMaxInput));
    const auto end = std::min(text.find('\n'), text.size());
    const auto path = text.substr(0, end);
    const auto file = text.substr(std::min(end + 1, text.size()));
    fuzz::expect_only_errors([&] {
        const auto ignore = Dockerignore::parse(file, "input");
        if (path.empty() || path.starts_with('/') || path.ends_with('/') || path.find("//") != std::string_view::npos ||
            ("/" + std::string(path) + "/").find("/./") != std::string::npos ||
            ("/" + std::string(path) + "/").find("/../") != std::string::npos) {
            static_cast<void>(ignore.excludes(path));
            return;
        }
        bool plain = is_plain(path);
        for (const auto& pattern : ignore.patterns()) {
            plain = plain && is_plain(pattern);
        }
        if (plain) {
            compare_plain(ignore, path);
        }
        check_walk(ignore, path);
    });
    return 0;
}
