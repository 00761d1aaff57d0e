// Patterns and paths from outside: the automaton answers as a backtracking matcher does that follows the rules to the
// letter (tags.md 4.3 and 4.4). Input: fields between zero bytes; "+…" is a match pattern, "-…" an ignore pattern,
// anything else a path.
#include "cooper/base/text.hpp"
#include "cooper/build/ignore.hpp"

#include "fuzz/fuzz.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace {

using Text = std::u32string;

constexpr std::size_t kMaxFields = 12;
constexpr std::size_t kMaxSteps = 5'000;  // of one match; backtracking has no other bound

/// Thrown where the rules say "error".
struct Invalid {};
/// Thrown where backtracking takes too long to be asked.
struct TooSlow {};

Text decode(std::string_view bytes) {
    Text text;
    for (std::size_t i = 0; i < bytes.size();) {
        std::size_t length = 1;
        while (length <= 4 && !(i + length <= bytes.size() && cooper::is_valid_utf8(bytes.substr(i, length)))) {
            ++length;
        }
        const auto byte = [&](std::size_t at) { return static_cast<char32_t>(static_cast<unsigned char>(bytes[at])); };
        if (length > 4) {
            text.push_back(0xDC00 + byte(i));
            ++i;
            continue;
        }
        constexpr char32_t kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
        char32_t point = byte(i) & kLeadBits[length];
        for (std::size_t next = 1; next < length; ++next) {
            point = point << 6U | (byte(i + next) & 0x3FU);
        }
        text.push_back(point);
        i += length;
    }
    return text;
}

class SlowPattern {
public:
    /// Rules 1 to 6.
    explicit SlowPattern(Text text) {
        static const Text kBlank =
            U"\t\n\v\f\r\u001c\u001d\u001e\u001f "
            U"\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
            U"\u2009\u200a\u2028\u2029\u202f\u205f\u3000";
        if (!text.ends_with(U"\\ ")) {
            text.erase(std::min(text.find_last_not_of(kBlank) + 1, text.size()));
        }
        text.erase(0, std::min(text.find_first_not_of(kBlank), text.size()));
        if (text.empty() || text[0] == U'#' || text == U"/") {
            return;
        }
        include_ = text[0] != U'!';
        Text segment;
        for (const char32_t c : text.substr(*include_ ? 0 : 1) + U"/") {
            if (c == U'/') {
                segments_.push_back(segment);
                segment.clear();
            } else {
                segment.push_back(c);
            }
        }
        for (std::size_t i = segments_.size() - 1; i > 0; --i) {
            if (segments_[i] == U"**" && segments_[i - 1] == U"**") {
                segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        below_any_ = segments_ == std::vector<Text>{U"**", U""};
        if (below_any_) {
            return;
        }
        if (segments_[0].empty()) {
            segments_.erase(segments_.begin());
        } else if (segments_.size() == 1 || (segments_.size() == 2 && segments_[1].empty())) {
            if (segments_[0] != U"**") {
                segments_.insert(segments_.begin(), U"**");
            }
        }
        if (segments_.empty()) {
            throw Invalid();
        }
        if (segments_.back().empty() && segments_.size() > 1) {
            segments_.back() = U"**";
        }
        for (const Text& one : segments_) {
            check(one);
        }
    }

    /// nullopt: the pattern says nothing.
    [[nodiscard]] std::optional<bool> include() const { return include_; }

    bool matches(const Text& path) {
        path_ = &path;
        steps_ = 0;
        if (below_any_) {
            return some_line(0, [&](std::size_t at) { return is(at, U'/') && rest_of_line(at + 1); });
        }
        return from(0, 0, false);
    }

private:
    using Then = std::function<bool(std::size_t)>;

    [[nodiscard]] bool is(std::size_t at, char32_t c) const { return at < path_->size() && (*path_)[at] == c; }
    [[nodiscard]] bool is_not(std::size_t at, char32_t c) const { return at < path_->size() && (*path_)[at] != c; }
    [[nodiscard]] bool at_end(std::size_t at) const {
        return at == path_->size() || (at + 1 == path_->size() && is(at, U'\n'));
    }

    /// "A*" up to the end.
    [[nodiscard]] bool rest_of_line(std::size_t at) const {
        while (!at_end(at) && is_not(at, U'\n')) {
            ++at;
        }
        return at_end(at);
    }
    /// "A+" and what comes then.
    bool some_line(std::size_t at, const Then& then) {
        while (is_not(at, U'\n')) {
            if (then(++at)) {
                return true;
            }
        }
        return false;
    }
    /// "S+" and what comes then.
    bool some_name(std::size_t at, const Then& then) {
        while (is_not(at, U'/')) {
            if (then(++at)) {
                return true;
            }
        }
        return false;
    }
    /// "(/ A*)?" up to the end.
    [[nodiscard]] bool optional_rest(std::size_t at) const {
        return at_end(at) || (is(at, U'/') && rest_of_line(at + 1));
    }

    /// Rule 7.
    bool from(std::size_t i, std::size_t at, bool need) {
        if (++steps_ > kMaxSteps) {
            throw TooSlow();
        }
        if (i == segments_.size()) {
            return at_end(at);
        }
        const bool last = i + 1 == segments_.size();
        if (segments_[i] == U"**") {
            if (i == 0 && last) {
                return some_name(at, [&](std::size_t then) { return optional_rest(then); });
            }
            if (i == 0) {
                return from(1, at, false) ||
                       some_line(at, [&](std::size_t then) { return is(then, U'/') && from(1, then + 1, false); });
            }
            if (last) {
                return is(at, U'/') && rest_of_line(at + 1);
            }
            return from(i + 1, at, true) ||
                   (is(at, U'/') && some_line(at + 1, [&](std::size_t then) { return from(i + 1, then, true); }));
        }
        if (need && !is(at, U'/')) {
            return false;
        }
        at += need ? 1 : 0;
        const auto then = [&](std::size_t end) { return last ? optional_rest(end) : from(i + 1, end, true); };
        return segments_[i] == U"*" ? some_name(at, then) : glob(segments_[i], 0, at, then);
    }

    /// The index behind the set that begins at `open`; nullopt where '[' is literal.
    static std::optional<std::size_t> end_of_set(const Text& glob, std::size_t open) {
        std::size_t i = open + 1;
        if (i < glob.size() && (glob[i] == U'!' || glob[i] == U'^')) {
            ++i;
        }
        if (i < glob.size() && glob[i] == U']') {
            ++i;
        }
        while (i < glob.size() && glob[i] != U']') {
            ++i;
        }
        return i < glob.size() ? std::optional(i + 1) : std::nullopt;
    }

    /// Is `c` in the set glob[open, end)?
    static bool in_set(const Text& glob, std::size_t open, std::size_t end, char32_t c) {
        std::size_t i = open + 1;
        const bool negated = glob[i] == U'!' || glob[i] == U'^';
        i += negated ? 1 : 0;
        bool found = false;
        while (i + 1 < end) {
            if (i + 3 < end && glob[i + 1] == U'-') {
                if (glob[i + 2] < glob[i]) {
                    throw Invalid();
                }
                found = found || (glob[i] <= c && c <= glob[i + 2]);
                i += 3;
            } else {
                found = found || glob[i] == c;
                ++i;
            }
        }
        return found != negated;
    }

    /// Rule 8's errors.
    static void check(const Text& glob) {
        for (std::size_t i = 0; i < glob.size(); ++i) {
            if (glob[i] == U'\\') {
                if (++i == glob.size()) {
                    throw Invalid();
                }
            } else if (glob[i] == U'[') {
                if (const auto end = end_of_set(glob, i)) {
                    in_set(glob, i, *end, 0);
                    i = *end - 1;
                }
            }
        }
    }

    /// Rule 8.
    bool glob(const Text& pattern, std::size_t i, std::size_t at, const Then& then) {
        if (++steps_ > kMaxSteps) {
            throw TooSlow();
        }
        if (i == pattern.size()) {
            return then(at);
        }
        if (pattern[i] == U'*') {
            return glob(pattern, i + 1, at, then) || (is_not(at, U'/') && glob(pattern, i, at + 1, then));
        }
        if (at == path_->size()) {
            return false;
        }
        const char32_t c = (*path_)[at];
        if (pattern[i] == U'?') {
            return c != U'/' && glob(pattern, i + 1, at + 1, then);
        }
        if (pattern[i] == U'\\') {
            return c == pattern[i + 1] && glob(pattern, i + 2, at + 1, then);
        }
        const auto end = pattern[i] == U'[' ? end_of_set(pattern, i) : std::nullopt;
        if (end) {
            return in_set(pattern, i, *end, c) && glob(pattern, *end, at + 1, then);
        }
        return c == pattern[i] && glob(pattern, i + 1, at + 1, then);
    }

    std::optional<bool> include_;
    std::vector<Text> segments_;
    bool below_any_ = false;
    const Text* path_ = nullptr;
    std::size_t steps_ = 0;
};

using Texts = std::vector<std::string>;

/// Section 4.3.
class SlowList {
public:
    SlowList(const Texts& match, const Texts& ignore) {
        Texts all = match;
        for (const auto& one : ignore) {
            all.push_back("!" + one);
        }
        Texts once;
        for (const auto& one : all) {
            if (std::find(once.begin(), once.end(), one) == once.end()) {
                once.push_back(one);
            }
        }
        everything_ = once == Texts{"*"};
        for (const auto& one : once) {
            patterns_.emplace_back(decode(one));
        }
    }

    bool includes(const std::string& path) {
        bool result = everything_;
        for (auto& pattern : patterns_) {
            if (!everything_ && pattern.include() && pattern.matches(decode(path))) {
                result = *pattern.include();
            }
        }
        return result;
    }

private:
    std::vector<SlowPattern> patterns_;
    bool everything_ = false;
};

std::optional<SlowList> slow_list(const Texts& match, const Texts& ignore) {
    try {
        return SlowList(match, ignore);
    } catch (const Invalid&) {
        return std::nullopt;
    }
}

void compare(const Texts& match, const Texts& ignore, const Texts& paths) {
    auto slow = slow_list(match, ignore);
    try {
        const cooper::build::WildmatchList list(match, ignore);
        cooper::fuzz::check(slow.has_value(), "what the rules refuse is refused");
        for (const auto& path : paths) {
            const bool includes = list.includes(path);
            try {
                cooper::fuzz::check(includes == slow->includes(path), "the same paths match");
            } catch (const TooSlow&) {
            }
        }
    } catch (const cooper::Error&) {
        cooper::fuzz::check(!slow.has_value(), "what the rules take is taken");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kLongest = 1024;  // backtracking is as deep as this
    Texts match;
    Texts ignore;
    Texts paths;
    for (const auto field : cooper::split(cooper::fuzz::text_of(data, std::min(size, kLongest)), '\0')) {
        if (match.size() + ignore.size() + paths.size() == kMaxFields) {
            break;
        }
        auto& list = field.starts_with('+') ? match : field.starts_with('-') ? ignore : paths;
        list.emplace_back(field.substr(&list == &paths ? 0 : 1));
    }
    compare(match, ignore, paths);
    return 0;
}
