#include "build/template/arguments.hpp"
#include "build/template/characters.hpp"
#include "build/template/format.hpp"
#include "build/template/methods.hpp"
#include "build/template/printing.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>
#include <array>

namespace cooper::build::jinja {

namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

/// What a method works on.
struct Self {
    Renderer& renderer;
    const Value& value;
    std::string_view name;

    [[nodiscard]] const Text& text() const { return value.as<Text>(); }
    [[nodiscard]] const std::string& bytes() const { return value.text(); }
    [[nodiscard]] Value make(std::string_view part) const { return renderer.text(std::string(part), text().markup); }
    [[nodiscard]] Value made(TextBuilder& builder) const { return make_text(builder, text().markup); }
    [[nodiscard]] Value list(const std::vector<std::string_view>& parts) const {
        std::vector<Value> values;
        for (const std::string_view part : parts) {
            values.push_back(make(part));
        }
        return make_list(renderer.budget(), std::move(values));
    }
    [[nodiscard]] std::string who() const { return std::string(name) + "()"; }
};

using Method = Value (*)(const Self&, Arguments&);

// -- looking for something

/// The part of the text that a method's "start" and "end" leave, and how many characters are before it.
struct Part {
    std::string_view text;
    std::size_t before = 0;
    bool exists = true;
};

Part part_of(const Self& self, const Bound& bound, std::size_t first) {
    const auto size = static_cast<std::int64_t>(self.text().length);
    const auto place = [&](std::size_t index, std::int64_t otherwise) {
        const std::int64_t given = bound.is_set(index) ? bound.integer(index) : otherwise;
        return given < 0 ? std::max<std::int64_t>(given + size, 0) : given;
    };
    const std::int64_t start = place(first, 0);
    const std::int64_t end = std::min(place(first + 1, size), size);
    if (start > end) {
        return {"", 0, false};
    }
    const std::string_view whole = self.bytes();
    const std::size_t begin = offset_of(whole, static_cast<std::size_t>(start));
    const std::size_t length = offset_of(whole.substr(begin), static_cast<std::size_t>(end - start));
    return {whole.substr(begin, length), static_cast<std::size_t>(start), true};
}

std::int64_t position(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"text", "start", "end"}, 1);
    const Part part = part_of(self, bound, 1);
    self.renderer.budget()->step(self.value.weight());
    const std::string& wanted = bound.text(0);
    std::size_t found = kNowhere;
    if (self.name.starts_with('r')) {
        for (std::size_t at = part.text.size() + 1; at-- > 0 && found == kNowhere && part.exists;) {
            found = part.text.substr(at).starts_with(wanted) ? at : kNowhere;
            self.renderer.budget()->step(1 + wanted.size() / 64);
        }
    } else {
        found = part.exists ? find_text(part.text, wanted) : kNowhere;
    }
    return found == kNowhere ? -1
                             : static_cast<std::int64_t>(part.before + count_characters(part.text.substr(0, found)));
}

Value find(const Self& self, Arguments& given) {
    return position(self, given);
}

Value index(const Self& self, Arguments& given) {
    const std::int64_t found = position(self, given);
    if (found < 0) {
        throw Failure{self.who() + ": the text has no such part", "find() answers -1 instead"};
    }
    return found;
}

Value count(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"text", "start", "end"}, 1);
    const Part part = part_of(self, bound, 1);
    const std::string& wanted = bound.text(0);
    if (wanted.empty()) {
        return part.exists ? static_cast<std::int64_t>(count_characters(part.text) + 1) : std::int64_t{0};
    }
    self.renderer.budget()->step(self.value.weight());
    std::int64_t found = 0;
    for (std::size_t at = find_text(part.text, wanted); at != kNowhere;
         at = find_text(part.text, wanted, at + wanted.size())) {
        ++found;
    }
    return found;
}

Value begins_or_ends(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"text", "start", "end"}, 1);
    const Part part = part_of(self, bound, 1);
    const bool begins = self.name == "startswith";
    const auto matches = [&](const Value& wanted) {
        if (!wanted.is_text()) {
            throw Failure{self.who() + " needs a text or a tuple of texts"};
        }
        return part.exists && (begins ? part.text.starts_with(wanted.text()) : part.text.ends_with(wanted.text()));
    };
    if (bound[0].is(Kind::Tuple)) {
        return std::any_of(bound[0].items().begin(), bound[0].items().end(), matches);
    }
    return matches(bound[0]);
}

// -- cutting

std::vector<std::string_view> split_at_blanks(std::string_view text, std::int64_t most) {
    std::vector<std::string_view> parts;
    text = strip_left(text);
    while (!text.empty()) {
        if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
            parts.push_back(text);
            break;
        }
        std::size_t end = 0;
        std::size_t next = 0;
        while (next < text.size() && !is_space(next_character(text, next))) {
            end = next;
        }
        parts.push_back(text.substr(0, end));
        text = strip_left(text.substr(end));
    }
    return parts;
}

std::vector<std::string_view> split_at_blanks_backwards(std::string_view text, std::int64_t most) {
    std::vector<std::string_view> parts;
    text = strip_right(text);
    while (!text.empty()) {
        if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
            parts.push_back(text);
            break;
        }
        std::size_t begin = text.size();
        while (begin > 0) {
            const std::size_t before = character_before(text, begin);
            std::size_t next = before;
            if (is_space(next_character(text, next))) {
                break;
            }
            begin = before;
        }
        parts.push_back(text.substr(begin));
        text = strip_right(text.substr(0, begin));
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t most) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
        const std::size_t at = find_text(text, separator, begin);
        if (at == kNowhere) {
            break;
        }
        parts.push_back(text.substr(begin, at - begin));
        begin = at + separator.size();
    }
    parts.push_back(text.substr(begin));
    return parts;
}

std::vector<std::string_view> split_at_backwards(std::string_view text, std::string_view separator, std::int64_t most) {
    std::vector<std::string_view> parts;
    std::size_t end = text.size();
    for (std::size_t at = end;
         (most < 0 || static_cast<std::int64_t>(parts.size()) < most) && at >= separator.size();) {
        at -= separator.size();
        if (text.substr(at, separator.size()) == separator) {
            parts.push_back(text.substr(at + separator.size(), end - at - separator.size()));
            end = at;
        } else {
            at += separator.size() - 1;
        }
    }
    parts.push_back(text.substr(0, end));
    std::reverse(parts.begin(), parts.end());
    return parts;
}

Value split(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"sep", "maxsplit"});
    const std::int64_t most = bound.integer(1, -1);
    const bool backwards = self.name == "rsplit";
    self.renderer.budget()->step(self.value.weight());
    if (!bound.is_set(0)) {
        return self.list(backwards ? split_at_blanks_backwards(self.bytes(), most)
                                   : split_at_blanks(self.bytes(), most));
    }
    const std::string& separator = bound.text(0);
    if (separator.empty()) {
        throw Failure{self.who() + ": the separator is empty"};
    }
    self.renderer.budget()->step(self.value.weight() * bound[0].weight());
    return self.list(backwards ? split_at_backwards(self.bytes(), separator, most)
                               : split_at(self.bytes(), separator, most));
}

Value lines(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"keepends"});
    return self.list(split_lines(self.bytes(), bound.has(0) && self.renderer.truth(bound[0])));
}

Value partition(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"sep"}, 1);
    const std::string& separator = bound.text(0);
    if (separator.empty()) {
        throw Failure{self.who() + ": the separator is empty"};
    }
    const bool backwards = self.name == "rpartition";
    self.renderer.budget()->step(self.value.weight() * bound[0].weight());
    const std::string_view text = self.bytes();
    const auto parts = backwards ? split_at_backwards(text, separator, 1) : split_at(text, separator, 1);
    std::vector<Value> values;
    if (parts.size() == 2) {
        values = {self.make(parts[0]), self.make(separator), self.make(parts[1])};
    } else {
        values = {self.make(backwards ? "" : text), self.make(""), self.make(backwards ? text : "")};
    }
    return make_tuple(self.renderer.budget(), std::move(values));
}

Value strip(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"chars"});
    return self.make(stripped(self.bytes(), bound.is_set(0) ? &bound.text(0) : nullptr, self.name != "rstrip",
                              self.name != "lstrip"));
}

Value remove_affix(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"text"}, 1);
    std::string_view text = self.bytes();
    const std::string& affix = bound.text(0);
    if (self.name == "removeprefix" && text.starts_with(affix)) {
        text.remove_prefix(affix.size());
    } else if (self.name == "removesuffix" && text.ends_with(affix)) {
        text.remove_suffix(affix.size());
    }
    return self.make(text);
}

// -- making

Value join(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"values"}, 1);
    TextBuilder out(self.renderer.budget());
    const Next next = self.renderer.iterate(bound[0]);
    bool first = true;
    for (Value item; next(item);) {
        self.renderer.budget()->step();
        if (!item.is_text()) {
            throw Failure{"join(): found a " + std::string(type_name(item)) + ", expected texts only",
                          "the filter join takes values of any type: … | join(\", \")"};
        }
        if (!std::exchange(first, false)) {
            out += self.bytes();
        }
        if (self.text().markup && !item.as<Text>().markup) {
            append_escaped(out, item.text());
        } else {
            out += item.text();
        }
    }
    return self.made(out);
}

Value replace(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"old", "new", "count"}, 2);
    TextBuilder out(self.renderer.budget());
    append_replaced(out, self.bytes(), bound.text(0), bound.text(1), bound.integer(2, -1));
    return self.made(out);
}

Value justify(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"width", "fillchar"}, 1);
    const std::string fill = bound.text(1, " ");
    if (count_characters(fill) != 1) {
        throw Failure{self.who() + ": \"fillchar\" is one character"};
    }
    TextBuilder out(self.renderer.budget());
    const auto length = static_cast<std::int64_t>(self.text().length);
    const std::int64_t width = bound.integer(0);
    if (self.name == "center") {
        append_centered(out, self.text(), width, fill);
        return self.made(out);
    }
    const std::size_t missing = width > length ? static_cast<std::size_t>(width - length) : 0;
    out.fill(self.name == "rjust" ? missing : 0, fill);
    out += self.bytes();
    out.fill(self.name == "ljust" ? missing : 0, fill);
    return self.made(out);
}

Value fill_zeros(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {"width"}, 1);
    const auto length = static_cast<std::int64_t>(self.text().length);
    const std::string_view text = self.bytes();
    const std::size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
    TextBuilder out(self.renderer.budget());
    out += text.substr(0, sign);
    out.fill(bound.integer(0) > length ? static_cast<std::size_t>(bound.integer(0) - length) : 0, "0");
    out += text.substr(sign);
    return self.made(out);
}

/// Upper case behind what has no case, lower case behind what has.
std::string title(std::string_view text) {
    std::string result;
    bool after_letter = false;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const char32_t c = next_character(text, at);
        const std::string_view character = text.substr(begin, at - begin);
        result += after_letter ? lower(character) : upper(character);
        after_letter = is_upper(c) || is_lower(c);
    }
    return result;
}

std::string swapped(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const char32_t c = next_character(text, at);
        const std::string_view character = text.substr(begin, at - begin);
        result += is_upper(c) ? lower(character) : upper(character);
    }
    return result;
}

Value recased(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {});
    const std::string_view text = self.bytes();
    return self.make(self.name == "upper"        ? upper(text)
                     : self.name == "lower"      ? lower(text)
                     : self.name == "capitalize" ? capitalized(text)
                     : self.name == "title"      ? title(text)
                                                 : swapped(text));
}

Value format(const Self& self, Arguments& given) {
    if (self.text().markup) {
        throw Failure{"format() of a text that was escaped is not supported"};
    }
    return format_braces(self.renderer, self.value, given);
}

// -- asking

Value has_case(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {});
    const auto wanted = self.name == "isupper" ? is_upper : is_lower;
    const auto other = self.name == "isupper" ? is_lower : is_upper;
    bool any = false;
    for (std::size_t at = 0; at < self.bytes().size();) {
        const char32_t c = next_character(self.bytes(), at);
        if (other(c)) {
            return false;
        }
        any = any || wanted(c);
    }
    return any;
}

bool is_ascii_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

Value consists_of(const Self& self, Arguments& given) {
    const Bound bound(given, self.who(), {});
    const std::string& text = self.bytes();
    if (self.name == "isspace") {
        return !text.empty() && strip_left(text).empty();
    }
    if (self.name == "isascii") {
        return is_ascii(text);
    }
    if (!is_ascii(text)) {
        throw Failure{self.who() + " is for ASCII text here"};
    }
    const bool letters = self.name == "isalpha" || self.name == "isalnum";
    const bool digits = self.name != "isalpha";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (letters && is_ascii_letter(c)) || (digits && c >= '0' && c <= '9');
    });
}

struct Entry {
    std::string_view name;
    Method method;
    bool escapes = false;  ///< its arguments, when the text is Markup
};

constexpr Entry kMethods[] = {{"capitalize", recased},
                              {"center", justify, true},
                              {"count", count},
                              {"endswith", begins_or_ends},
                              {"find", find},
                              {"format", format},
                              {"index", index},
                              {"isalnum", consists_of},
                              {"isalpha", consists_of},
                              {"isascii", consists_of},
                              {"isdecimal", consists_of},
                              {"isdigit", consists_of},
                              {"islower", has_case},
                              {"isnumeric", consists_of},
                              {"isspace", consists_of},
                              {"isupper", has_case},
                              {"join", join},
                              {"ljust", justify, true},
                              {"lower", recased},
                              {"lstrip", strip, true},
                              {"partition", partition},
                              {"removeprefix", remove_affix},
                              {"removesuffix", remove_affix},
                              {"replace", replace, true},
                              {"rfind", find},
                              {"rindex", index},
                              {"rjust", justify, true},
                              {"rpartition", partition},
                              {"rsplit", split},
                              {"rstrip", strip, true},
                              {"split", split},
                              {"splitlines", lines},
                              {"startswith", begins_or_ends},
                              {"strip", strip, true},
                              {"swapcase", recased},
                              {"title", recased},
                              {"upper", recased},
                              {"zfill", fill_zeros}};

constexpr std::string_view kUnsupported[] = {"casefold",    "encode",  "expandtabs", "format_map", "isidentifier",
                                             "isprintable", "istitle", "maketrans",  "translate"};

void escape_arguments(Renderer& renderer, Arguments& given) {
    for (Value& value : given.positional) {
        if (value.is_text() && !value.as<Text>().markup) {
            TextBuilder escaped(renderer.budget());
            append_escaped(escaped, value.text());
            value = make_text(escaped, true);
        }
    }
}

}  // namespace

Value find_text_method(Renderer& renderer, const Value& text, const std::string& name) {
    const auto* const found =
        std::find_if(std::begin(kMethods), std::end(kMethods), [&](const Entry& entry) { return entry.name == name; });
    if (found == std::end(kMethods)) {
        if (std::find(std::begin(kUnsupported), std::end(kUnsupported), name) != std::end(kUnsupported)) {
            throw Failure{"the method \"" + name + "\" of texts is not supported"};
        }
        return {};
    }
    return make_function(renderer.budget(), name, Inside(text), [text, found](Renderer& with, Arguments& given) {
        if (found->escapes && text.as<Text>().markup) {
            escape_arguments(with, given);
        }
        return found->method(Self{with, text, found->name}, given);
    });
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
    const auto ends_line = [](char32_t c) {
        return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    };
    std::vector<std::string_view> lines;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        const char32_t c = next_character(text, at);
        if (!ends_line(c)) {
            continue;
        }
        if (c == '\r' && at < text.size() && text[at] == '\n') {
            ++at;
        }
        lines.push_back(text.substr(begin, (keep_ends ? at : before) - begin));
        begin = at;
    }
    if (begin < text.size()) {
        lines.push_back(text.substr(begin));
    }
    return lines;
}

void append_replaced(TextBuilder& to, std::string_view text, std::string_view from, std::string_view by,
                     std::int64_t count) {
    std::size_t begin = 0;
    if (from.empty()) {  // before every character and at the end
        while (count-- != 0) {
            to += by;
            if (begin == text.size()) {
                return;
            }
            const std::size_t size = offset_of(text.substr(begin), 1);
            to += text.substr(begin, size);
            begin += size;
        }
        to += text.substr(begin);
        return;
    }
    for (std::size_t at = find_text(text, from); at != kNowhere && count-- != 0; at = find_text(text, from, begin)) {
        to += text.substr(begin, at - begin);
        to += by;
        begin = at + from.size();
    }
    to += text.substr(begin);
}

std::string_view stripped(std::string_view text, const std::string* characters, bool left, bool right) {
    if (characters == nullptr) {
        text = left ? strip_left(text) : text;
        return right ? strip_right(text) : text;
    }
    constexpr std::size_t kMostCharacters = 1000;  // each is compared with each
    if (characters->size() > kMostCharacters) {
        throw Failure{"strip: more than " + std::to_string(kMostCharacters) + " characters to strip"};
    }
    const auto is_one = [&](std::string_view character) { return characters->find(character) != std::string::npos; };
    while (left && !text.empty() && is_one(text.substr(0, offset_of(text, 1)))) {
        text.remove_prefix(offset_of(text, 1));
    }
    while (right && !text.empty()) {
        const std::size_t at = character_before(text, text.size());
        if (!is_one(text.substr(at))) {
            break;
        }
        text.remove_suffix(text.size() - at);
    }
    return text;
}

/// Where one blank is left over, it goes to the left if the width is odd, as CPython has it.
void append_centered(TextBuilder& to, const Text& text, std::int64_t width, std::string_view fill) {
    const auto length = static_cast<std::int64_t>(text.length);
    const std::int64_t missing = width > length ? width - length : 0;
    const std::int64_t left = missing / 2 + (missing & width & 1);
    to.fill(static_cast<std::size_t>(left), fill);
    to += text.bytes;
    to.fill(static_cast<std::size_t>(missing - left), fill);
}

}  // namespace cooper::build::jinja
