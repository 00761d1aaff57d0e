#include "build/template/printing.hpp"

#include "build/template/characters.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace cooper::build::jinja {

namespace {

std::string hexadecimal(char32_t value, std::size_t digits) {
    std::array<char, 8> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<std::uint32_t>(value), 16).ptr;
    std::string text(buffer.data(), end);
    return std::string(digits - std::min(digits, text.size()), '0') + text;
}

void append_escape(TextBuilder& to, char32_t c) {
    if (c < 0x100) {
        to += "\\x" + hexadecimal(c, 2);
    } else if (c < 0x10000) {
        to += "\\u" + hexadecimal(c, 4);
    } else {
        to += "\\U" + hexadecimal(c, 8);
    }
}

class Repr {
public:
    explicit Repr(TextBuilder& to) : to_(to) {}

    void value(const Value& value) {
        if (depth_ > kMaxValueDepth) {
            throw Failure{"a value lies in itself: it cannot be printed"};
        }
        ++depth_;
        any(value);
        --depth_;
    }

private:
    void any(const Value& value) {
        switch (value.kind()) {
            case Kind::Missing:
            case Kind::Undefined:
                to_ += "Undefined";
                break;
            case Kind::None:
                to_ += "None";
                break;
            case Kind::Bool:
                to_ += value.boolean() ? "True" : "False";
                break;
            case Kind::Int:
                to_ += std::to_string(value.integer());
                break;
            case Kind::Float:
                to_ += float_text(value.real());
                break;
            case Kind::Text:
                text(value.as<Text>());
                break;
            case Kind::List:
                items("[", value.items(), "]");
                break;
            case Kind::Tuple:
                items("(", value.items(), value.items().size() == 1 ? ",)" : ")");
                break;
            case Kind::Dict:
                entries(value.dict());
                break;
            case Kind::Range:
                range(value.as<Range>());
                break;
            case Kind::View:
                view(value.as<View>());
                break;
            case Kind::Namespace:
                name_space(value.as<Namespace>());
                break;
            case Kind::Macro:
                macro(*value.as<Macro>().plan);
                break;
            case Kind::Loop:
                throw Failure{"\"loop\" cannot be printed", "print one of its members: loop.index, loop.last, …"};
            case Kind::Cycler:
                throw Failure{"a cycler cannot be printed", "print what its next() gives"};
            case Kind::Generator:
                throw Failure{"what a filter like map or select gives is read once and cannot be printed",
                              "make a list or a text of it: … | list, … | join(\" \")"};
            case Kind::Function:
                throw Failure{"the function \"" + value.as<Function>().name + "\" cannot be printed", "call it: …()"};
        }
    }

    void text(const Text& text) {
        if (text.markup) {
            to_ += "Markup(";
        }
        append_quoted(to_, text.bytes);
        if (text.markup) {
            to_ += ")";
        }
    }

    void items(std::string_view open, const std::vector<Value>& items, std::string_view close) {
        to_ += open;
        for (std::size_t i = 0; i < items.size(); ++i) {
            to_ += i == 0 ? "" : ", ";
            value(items[i]);
        }
        to_ += close;
    }

    void entries(const Dict& dict) {
        to_ += "{";
        for (std::size_t i = 0; i < dict.entries.size(); ++i) {
            to_ += i == 0 ? "" : ", ";
            value(dict.entries[i].first);
            to_ += ": ";
            value(dict.entries[i].second);
        }
        to_ += "}";
    }

    void range(const Range& range) {
        to_ += "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
        to_ += range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")";
    }

    void view(const View& view) {
        constexpr std::array<std::string_view, 3> kNames = {"dict_keys([", "dict_values([", "dict_items(["};
        to_ += kNames.at(static_cast<std::size_t>(view.of));
        const auto& entries = view.dict.dict().entries;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            to_ += i == 0 ? "" : ", ";
            if (view.of == View::Of::Items) {
                to_ += "(";
            }
            if (view.of != View::Of::Values) {
                value(entries[i].first);
            }
            if (view.of == View::Of::Items) {
                to_ += ", ";
            }
            if (view.of != View::Of::Keys) {
                value(entries[i].second);
            }
            if (view.of == View::Of::Items) {
                to_ += ")";
            }
        }
        to_ += "])";
    }

    void name_space(const Namespace& holder) {
        to_ += "<Namespace {";
        for (std::size_t i = 0; i < holder.entries.size(); ++i) {
            to_ += i == 0 ? "" : ", ";
            append_quoted(to_, holder.entries[i].first);
            to_ += ": ";
            value(holder.entries[i].second);
        }
        to_ += "}>";
    }

    void macro(const MacroPlan& plan) {
        if (plan.name.empty()) {
            to_ += "<Macro anonymous>";
            return;
        }
        to_ += "<Macro ";
        append_quoted(to_, plan.name);
        to_ += ">";
    }

    TextBuilder& to_;
    unsigned depth_ = 0;
};

class JsonText {
public:
    JsonText(TextBuilder& to, std::int64_t indent) : to_(to), indent_(indent) {}

    void value(const Value& value) {
        switch (value.kind()) {
            case Kind::None:
                to_ += "null";
                break;
            case Kind::Bool:
                to_ += value.boolean() ? "true" : "false";
                break;
            case Kind::Int:
                to_ += std::to_string(value.integer());
                break;
            case Kind::Float:
                to_ += number(value.real());
                break;
            case Kind::Text:
                text(value.text());
                break;
            case Kind::List:
            case Kind::Tuple:
                list(value.items());
                break;
            case Kind::Dict:
                dict(value.dict());
                break;
            case Kind::Undefined:
                throw Failure{value.as<Undefined>().message};
            default:
                throw Failure{"tojson: a " + std::string(type_name(value)) + " has no form in JSON"};
        }
    }

private:
    static std::string number(double value) {
        return std::isnan(value)   ? "NaN"
               : std::isinf(value) ? (value < 0 ? "-Infinity" : "Infinity")
                                   : float_text(value);
    }

    /// ASCII only, and without < > & ' for HTML.
    void text(std::string_view text) {
        to_ += '"';
        for (std::size_t offset = 0; offset < text.size();) {
            const char32_t c = next_character(text, offset);
            constexpr std::u32string_view kNamed = U"\"\\\n\r\t\f\b";
            constexpr std::string_view kNames = "\"\\nrtfb";
            const std::size_t named = kNamed.find(c);
            if (named != std::u32string_view::npos) {
                to_ += '\\';
                to_ += kNames[named];
            } else if (c < 0x20 || c > 0x7E || c == '<' || c == '>' || c == '&' || c == '\'') {
                escaped(c);
            } else {
                to_ += static_cast<char>(c);
            }
        }
        to_ += '"';
    }

    void escaped(char32_t c) {
        if (c < 0x10000) {
            to_ += "\\u" + hexadecimal(c, 4);
        } else {
            to_ += "\\u" + hexadecimal(0xD800 + ((c - 0x10000) >> 10U), 4);
            to_ += "\\u" + hexadecimal(0xDC00 + ((c - 0x10000) & 0x3FFU), 4);
        }
    }

    void line() {
        if (indent_ >= 0) {
            to_ += '\n';
            to_.fill(static_cast<std::size_t>(indent_) * level_, " ");
        }
    }

    void separate(bool first) {
        if (!first) {
            to_ += indent_ >= 0 ? "," : ", ";
        }
        line();
    }

    void list(const std::vector<Value>& items) {
        to_ += '[';
        ++level_;
        for (std::size_t i = 0; i < items.size(); ++i) {
            separate(i == 0);
            value(items[i]);
        }
        --level_;
        if (!items.empty()) {
            line();
        }
        to_ += ']';
    }

    static std::string key(const Value& key) {
        switch (key.kind()) {
            case Kind::Text:
                return key.text();
            case Kind::None:
                return "null";
            case Kind::Bool:
                return key.boolean() ? "true" : "false";
            case Kind::Int:
                return std::to_string(key.integer());
            case Kind::Float:
                return number(key.real());
            default:
                throw Failure{"tojson: a " + std::string(type_name(key)) + " cannot be a key in JSON"};
        }
    }

    void dict(const Dict& dict) {
        std::vector<const std::pair<Value, Value>*> sorted;
        for (const auto& entry : dict.entries) {
            sorted.push_back(&entry);
        }
        if (to_.budget() != nullptr) {
            to_.budget()->step(sorted.size());
        }
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const auto* a, const auto* b) { return less(a->first, b->first); });
        to_ += '{';
        ++level_;
        for (std::size_t i = 0; i < sorted.size(); ++i) {
            separate(i == 0);
            text(key(sorted[i]->first));
            to_ += ": ";
            value(sorted[i]->second);
        }
        --level_;
        if (!sorted.empty()) {
            line();
        }
        to_ += '}';
    }

    TextBuilder& to_;
    std::int64_t indent_;
    std::size_t level_ = 0;
};

}  // namespace

std::string float_text(double value) {
    if (std::isnan(value)) {
        return "nan";
    }
    if (std::isinf(value)) {
        return value < 0 ? "-inf" : "inf";
    }
    std::array<char, 32> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
    std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    const bool negative = text.front() == '-';
    text.remove_prefix(negative ? 1 : 0);
    const std::size_t e = text.find('e');
    int exponent = 0;
    std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
    std::string digits(text.substr(0, 1));
    if (e > 2) {
        digits += text.substr(2, e - 2);
    }
    const int count = static_cast<int>(digits.size());
    std::string shown;
    if (exponent < -4 || exponent >= 16) {
        shown = digits.substr(0, 1) + (count > 1 ? "." + digits.substr(1) : "") + (exponent < 0 ? "e-" : "e+") +
                (std::abs(exponent) < 10 ? "0" : "") + std::to_string(std::abs(exponent));
    } else if (exponent < 0) {
        shown = "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    } else if (count <= exponent + 1) {
        shown = digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
    } else {
        const auto point = static_cast<std::size_t>(exponent + 1);
        shown = digits.substr(0, point) + "." + digits.substr(point);
    }
    return (negative ? "-" : "") + shown;
}

void append_quoted(TextBuilder& to, std::string_view text) {
    const bool has_single = text.find('\'') != std::string_view::npos;
    const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
    to += quote;
    for (std::size_t offset = 0; offset < text.size();) {
        const std::size_t begin = offset;
        const char32_t c = next_character(text, offset);
        if (c == static_cast<char32_t>(quote) || c == '\\') {
            to += '\\';
            to += static_cast<char>(c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            to += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
        } else if (is_printable(c)) {
            to += text.substr(begin, offset - begin);
        } else {
            append_escape(to, c);
        }
    }
    to += quote;
}

void append_repr(TextBuilder& to, const Value& value) {
    Repr(to).value(value);
}

void append_json(TextBuilder& to, const Value& value, std::int64_t indent) {
    JsonText(to, indent).value(value);
}

void append_escaped(TextBuilder& to, std::string_view text) {
    constexpr std::string_view kSpecial = "&<>'\"";
    constexpr std::array<std::string_view, 5> kEntities = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    std::size_t begin = 0;
    for (std::size_t at = text.find_first_of(kSpecial); at != std::string_view::npos;
         at = text.find_first_of(kSpecial, begin)) {
        to += text.substr(begin, at - begin);
        to += kEntities.at(kSpecial.find(text[at]));
        begin = at + 1;
    }
    to += text.substr(begin);
}

}  // namespace cooper::build::jinja
