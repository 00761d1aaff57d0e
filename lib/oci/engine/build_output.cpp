#include "oci/engine/build_output.hpp"

#include "cooper/base/text.hpp"

#include "oci/engine/engine_inspect.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::oci {

namespace {

constexpr std::size_t kShortestSecret = 4;
constexpr std::size_t kMaxRawLine = 16 * 1024;
constexpr std::size_t kMaxLine = 4 * 1024;
constexpr std::size_t kTailLines = 20;
constexpr char kEscape = '\x1b';

bool is_between(char c, char first, char last) {
    return c >= first && c <= last;
}

/// Behind "ESC [": parameters and intermediate bytes, then a final byte (ECMA-48, 5.4).
std::size_t control_sequence_length(std::string_view text) {
    std::size_t at = 2;
    while (at < text.size() && is_between(text[at], ' ', '?')) {
        ++at;
    }
    return at < text.size() && is_between(text[at], '@', '~') ? at + 1 : at;
}

/// Behind "ESC ]", "ESC P" and their like: a string up to BEL or "ESC \" (ECMA-48, 5.6). One that does not end on its
/// line takes the rest of it.
std::size_t command_string_length(std::string_view text) {
    const std::size_t end = text.find_first_of("\a\x1b", 2);
    if (end == std::string_view::npos) {
        return text.size();
    }
    return text[end] == kEscape && end + 1 < text.size() && text[end + 1] == '\\' ? end + 2 : end + 1;
}

std::size_t escape_length(std::string_view text) {
    if (text.size() == 1) {
        return 1;
    }
    switch (text[1]) {
        case '[':
            return control_sequence_length(text);
        case ']':
        case 'P':
        case 'X':
        case '^':
        case '_':
            return command_string_length(text);
        default:
            return is_between(text[1], ' ', '~') ? 2 : 1;
    }
}

/// U+0080 to U+009F, CSI among them.
bool is_c1(std::string_view text) {
    return text.size() >= 2 && text[0] == '\xc2' && is_between(text[1], '\x80', '\x9f');
}

/// "Step 1/4 : ", "STEP 1/4: ", and podman's "[1/2] STEP 1/4: " where there are several stages.
bool is_step(std::string_view line) {
    const auto skip_count = [&line] {
        const std::size_t end = line.find_first_not_of("0123456789/");
        const bool found = end != 0 && end != std::string_view::npos && line.substr(0, end).find('/') != line.npos;
        line.remove_prefix(found ? end : 0);
        return found;
    };
    if (line.starts_with('[')) {
        line.remove_prefix(1);
        if (!skip_count() || !line.starts_with("] ")) {
            return false;
        }
        line.remove_prefix(2);
    }
    if (!line.starts_with("Step ") && !line.starts_with("STEP ")) {
        return false;
    }
    line.remove_prefix(5);
    return skip_count() && (line.starts_with(" : ") || line.starts_with(": "));
}

bool is_remark(std::string_view line) {
    return line.starts_with(" ---> ") || line.starts_with("--> ") ||
           line.starts_with("Removing intermediate container ");
}

std::string id_of_success(std::string_view line) {
    constexpr std::string_view kSuccess = "Successfully built ";
    if (!line.starts_with(kSuccess)) {
        return "";
    }
    line = trim(line.substr(kSuccess.size()));
    return is_image_id(line) ? std::string(line) : "";
}

}  // namespace

SecretMask::SecretMask(const std::vector<Secret>& secrets) {
    for (const Secret& secret : secrets) {
        for (const std::string_view line : split(secret.reveal(), '\n')) {
            Secret shown(shown_line(trim(line)));
            if (shown.reveal().size() >= kShortestSecret) {
                secrets_.push_back(std::move(shown));
            }
        }
    }
    std::sort(secrets_.begin(), secrets_.end(),
              [](const Secret& a, const Secret& b) { return a.reveal().size() > b.reveal().size(); });
}

std::string SecretMask::masked(std::string_view text) const {
    std::string result(text);
    for (const Secret& secret : secrets_) {
        for (std::size_t at = 0; (at = result.find(secret.reveal(), at)) != std::string::npos; at += 3) {
            result.replace(at, secret.reveal().size(), "***");
        }
    }
    return redact(result);
}

std::string shown_line(std::string_view raw) {
    while (raw.ends_with('\r')) {
        raw.remove_suffix(1);
    }
    if (const std::size_t back = raw.rfind('\r'); back != std::string_view::npos) {
        raw.remove_prefix(back + 1);
    }
    std::string shown;
    shown.reserve(raw.size());
    while (!raw.empty()) {
        std::size_t length = 1;
        if (raw[0] == kEscape) {
            length = escape_length(raw);
        } else if (is_c1(raw)) {
            length = 2;
            shown += '?';
        } else if ((raw[0] >= 0 && raw[0] < ' ' && raw[0] != '\t') || raw[0] == '\x7f') {
            shown += '?';
        } else {
            shown += raw[0];
        }
        raw.remove_prefix(length);
    }
    return shown;
}

std::string cut_text(std::string text, std::size_t limit) {
    if (text.size() <= limit) {
        return text;
    }
    while (limit > 0 && is_between(text[limit], '\x80', '\xbf')) {  // not in the middle of a character
        --limit;
    }
    text.resize(limit);
    return text + "…";
}

std::string shown_words(std::string words, const SecretMask& mask) {
    constexpr std::size_t kMaxWords = 1000;
    std::replace_if(
        words.begin(), words.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    // An answer in plain text may be anything.
    const std::string shown = is_valid_utf8(words) ? shown_line(trim(words)) : printable(trim(words), words.size());
    return cut_text(mask.masked(shown), kMaxWords);
}

void BuildOutput::feed(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view piece = text.substr(0, end);
        // A bar that is drawn anew with each carriage return is a long line of which the last part counts.
        if (line_.size() + piece.size() > kMaxRawLine && line_.find('\r') != std::string::npos) {
            line_.erase(0, line_.rfind('\r'));
        }
        line_ += piece.substr(0, kMaxRawLine - std::min(kMaxRawLine, line_.size()));
        if (end == text.size()) {
            return;
        }
        end_line();
        text.remove_prefix(end + 1);
    }
}

void BuildOutput::line(std::string_view text) {
    end_line();
    feed(text);
    end_line();
}

void BuildOutput::end_line() {
    const std::string shown = cut_text(mask_.masked(shown_line(line_)), kMaxLine);
    line_.clear();
    if (trim(shown).empty()) {
        return;
    }
    built_ = id_of_success(shown);
    if (is_step(shown)) {
        step_ = shown;
        tail_.clear();
    } else if (!is_remark(shown)) {
        tail_.push_back(shown);
        if (tail_.size() > kTailLines) {
            tail_.pop_front();
        }
    }
    if (on_line_) {
        on_line_(shown);
    }
}

}  // namespace cooper::oci
