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

}  // namespace cooper::build::jinja
