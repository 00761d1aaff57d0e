#include "s3/xml.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace cooper::s3::xml {

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void append_utf8(std::string& to, std::uint32_t code) {
    const auto byte = [&to](std::uint32_t value) { to += static_cast<char>(static_cast<unsigned char>(value)); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0 | (code >> 6));
        byte(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        byte(0xE0 | (code >> 12));
        byte(0x80 | ((code >> 6) & 0x3F));
        byte(0x80 | (code & 0x3F));
    } else {
        byte(0xF0 | (code >> 18));
        byte(0x80 | ((code >> 12) & 0x3F));
        byte(0x80 | ((code >> 6) & 0x3F));
        byte(0x80 | (code & 0x3F));
    }
}

/// One entity without "&" and ";". Control characters by number are taken: keys may hold them and S3 writes them so.
bool append_entity(std::string& to, std::string_view entity) {
    constexpr std::array<std::pair<std::string_view, char>, 5> kNamed{
        {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
    for (const auto& [name, character] : kNamed) {
        if (entity == name) {
            to += character;
            return true;
        }
    }
    if (!entity.starts_with('#')) {
        return false;
    }
    entity.remove_prefix(1);
    const bool hex = entity.starts_with('x');
    entity.remove_prefix(hex ? 1 : 0);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(entity.data(), entity.data() + entity.size(), code, hex ? 16 : 10);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (error != std::errc{} || end != entity.data() + entity.size() || code > 0x10FFFF || surrogate) {
        return false;
    }
    append_utf8(to, code);
    return true;
}

class Parser {
public:
    explicit Parser(std::string_view document) : rest_(document) {}

    std::optional<Element> root() {
        if (rest_.starts_with("\xEF\xBB\xBF")) {
            rest_.remove_prefix(3);
        }
        while (step()) {
            if (root_ && open_.empty()) {
                return only_blank_follows() ? std::move(root_) : std::nullopt;
            }
        }
        return std::nullopt;
    }

private:
    /// Takes the next piece of markup or text; false when the document cannot be understood.
    bool step() {
        if (rest_.empty()) {
            return false;
        }
        if (rest_.front() != '<') {
            return character_data(take_until("<", false));
        }
        if (rest_.starts_with("<?")) {
            return take_until("?>", true).data() != nullptr;
        }
        if (rest_.starts_with("<!--")) {
            rest_.remove_prefix(4);
            return take_until("-->", true).data() != nullptr;
        }
        if (rest_.starts_with("<![CDATA[")) {
            return raw_data();
        }
        if (rest_.starts_with("</")) {
            return end_tag();
        }
        return !rest_.starts_with("<!") && start_tag();
    }

    /// What is before `mark`, and moves behind it (with `consume`) or to it; a null view when `mark` is not there.
    std::string_view take_until(std::string_view mark, bool consume) {
        const std::size_t at = rest_.find(mark);
        if (at == std::string_view::npos) {
            return {};
        }
        const std::string_view taken = rest_.substr(0, at);
        rest_.remove_prefix(at + (consume ? mark.size() : 0));
        return taken;
    }

    bool character_data(std::string_view text) {
        if (text.data() == nullptr) {
            return false;
        }
        if (open_.empty()) {
            return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
        }
        std::string& into = open_.back()->text;
        while (!text.empty()) {
            const std::size_t ampersand = text.find('&');
            into.append(text.substr(0, ampersand));
            if (ampersand == std::string_view::npos) {
                return true;
            }
            const std::size_t end = text.find(';', ampersand);
            if (end == std::string_view::npos ||
                !append_entity(into, text.substr(ampersand + 1, end - ampersand - 1))) {
                return false;
            }
            text.remove_prefix(end + 1);
        }
        return true;
    }

    bool raw_data() {
        rest_.remove_prefix(std::string_view("<![CDATA[").size());
        const std::string_view text = take_until("]]>", true);
        if (text.data() == nullptr || open_.empty()) {
            return false;
        }
        open_.back()->text.append(text);
        return true;
    }

    /// A name at the front of `tag`, without its prefix; `tag` moves behind it.
    static std::string_view take_name(std::string_view& tag) {
        std::size_t end = 0;
        while (end < tag.size() && !is_space(tag[end]) && tag[end] != '/' && tag[end] != '>') {
            ++end;
        }
        std::string_view name = tag.substr(0, end);
        tag.remove_prefix(end);
        const std::size_t colon = name.rfind(':');
        return colon == std::string_view::npos ? name : name.substr(colon + 1);
    }

    bool start_tag() {
        rest_.remove_prefix(1);
        const std::string_view name = take_name(rest_);
        if (name.empty() || name.find('<') != std::string_view::npos || open_.size() >= kMaxDepth ||
            ++elements_ > kMaxElements) {
            return false;
        }
        const bool has_content = skip_attributes();
        if (rest_.data() == nullptr) {
            return false;
        }
        Element* element = nullptr;
        if (open_.empty()) {
            element = &root_.emplace();
        } else {
            element = &open_.back()->children.emplace_back();
        }
        element->name = name;
        if (has_content) {
            open_.push_back(element);
        }
        return true;
    }

    /// Moves behind the ">" of a start tag (a null rest_ when there is none); true when it was not "/>".
    bool skip_attributes() {
        bool slash = false;
        char quote = '\0';
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            const char c = rest_[i];
            if (quote != '\0') {
                quote = c == quote ? '\0' : quote;
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '>') {
                rest_.remove_prefix(i + 1);
                return !slash;
            } else if (c == '<') {
                break;
            }
            slash = quote == '\0' && c == '/';
        }
        rest_ = {};
        return false;
    }

    bool end_tag() {
        rest_.remove_prefix(2);
        const std::string_view name = take_name(rest_);
        const std::string_view blank = take_until(">", true);
        if (blank.data() == nullptr || blank.find_first_not_of(" \t\r\n") != std::string_view::npos) {
            return false;
        }
        if (open_.empty() || open_.back()->name != name) {
            return false;
        }
        open_.pop_back();
        return true;
    }

    bool only_blank_follows() {
        while (!rest_.empty()) {
            const bool markup = rest_.starts_with("<?") || rest_.starts_with("<!--");
            if ((!markup && !is_space(rest_.front())) || (markup && !step())) {
                return false;
            }
            if (!markup) {
                rest_.remove_prefix(1);
            }
        }
        return true;
    }

    std::string_view rest_;
    std::optional<Element> root_;
    // Pointers into the tree stay valid: only the innermost open element gets children, and only its last child is
    // open.
    std::vector<Element*> open_;
    std::size_t elements_ = 0;
};

}  // namespace

const Element* Element::find(std::string_view child) const noexcept {
    for (const Element& element : children) {
        if (element.name == child) {
            return &element;
        }
    }
    return nullptr;
}

std::string_view Element::text_of(std::string_view child) const noexcept {
    const Element* element = find(child);
    return element == nullptr ? std::string_view() : std::string_view(element->text);
}

std::optional<Element> try_parse(std::string_view document) {
    return Parser(document).root();
}

std::string escape(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            case '\r':
                result += "&#13;";
                break;
            default:
                result += c;
        }
    }
    return result;
}

}  // namespace cooper::s3::xml
