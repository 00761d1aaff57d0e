#include "build/template/format.hpp"

#include "build/template/characters.hpp"
#include "build/template/format_spec.hpp"
#include "build/template/printing.hpp"
#include "build/template/renderer.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

constexpr std::string_view kKinds = "diuoxXeEfFgGcrsa%";

/// "%s" and "%(name)5.2f" in a text, filled in one after the other.
class PercentFormat {
public:
    PercentFormat(Renderer& renderer, const Value& format, const Value& values)
        : renderer_(renderer),
          format_(format.text()),
          markup_(format.as<Text>().markup),
          values_(values),
          out_(renderer.budget()) {}

    Value run() {
        while (at_ < format_.size()) {
            const std::size_t percent = std::min(format_.find('%', at_), format_.size());
            out_ += format_.substr(at_, percent - at_);
            at_ = percent;
            if (at_ < format_.size()) {
                ++at_;
                directive();
            }
        }
        const bool is_tuple = values_.is(Kind::Tuple);
        const bool unused = is_tuple ? next_ < values_.items().size() : next_ == 0;
        const bool takes_anything = values_.is(Kind::Dict) || values_.is(Kind::List) || values_.is(Kind::Range) ||
                                    values_.is(Kind::Undefined);  // what has keys may be named by none
        if (unused && !named_ && !takes_anything) {
            throw Failure{"not all values were used by the format \"" + oci::printable(format_, 60) + "\""};
        }
        return make_text(out_, markup_);
    }

private:
    [[nodiscard]] char peek() const {
        if (at_ >= format_.size()) {
            throw Failure{"the format \"" + oci::printable(format_, 60) + "\" ends within a \"%\""};
        }
        return format_[at_];
    }

    Value next_value() {
        if (values_.is(Kind::Tuple)) {
            if (next_ >= values_.items().size()) {
                throw Failure{"there are not enough values for the format \"" + oci::printable(format_, 60) + "\""};
            }
            return values_.items()[next_++];
        }
        if (next_++ > 0) {
            throw Failure{"there are not enough values for the format \"" + oci::printable(format_, 60) + "\""};
        }
        return values_;
    }

    Value named_value() {
        const std::size_t begin = ++at_;
        std::size_t open = 1;
        while (open > 0) {
            const char c = peek();
            open += c == '(' ? 1 : 0;
            open -= c == ')' ? 1 : 0;
            ++at_;
        }
        const std::string key(format_.substr(begin, at_ - 1 - begin));
        if (!values_.is(Kind::Dict)) {
            throw Failure{"the format \"" + oci::printable(format_, 60) + "\" needs a dict"};
        }
        const Value* const found = values_.dict().find(key);
        if (found == nullptr) {
            throw Failure{"the format \"" + oci::printable(format_, 60) + "\" names \"" + oci::printable(key, 60) +
                          "\", which the dict has not"};
        }
        named_ = true;
        return *found;
    }

    std::size_t number() {
        if (peek() == '*') {
            throw Failure{"\"*\" in a format is not supported"};
        }
        std::size_t value = 0;
        while (peek() >= '0' && peek() <= '9') {
            value = value * 10 + static_cast<std::size_t>(format_[at_++] - '0');
            check_width(value);
        }
        return value;
    }

    void directive() {
        Value value;
        if (peek() == '(') {
            value = named_value();
        }
        FormatSpec spec;
        spec.align = '>';
        for (char c = peek(); c == '-' || c == '+' || c == ' ' || c == '0' || c == '#'; c = peek()) {
            spec.align = c == '-' ? '<' : spec.align;
            spec.sign = c == '+' ? '+' : c == ' ' && spec.sign != '+' ? ' ' : spec.sign;
            spec.zeros = spec.zeros || c == '0';
            spec.alternate = spec.alternate || c == '#';
            ++at_;
        }
        spec.width = number();
        if (peek() == '.') {
            ++at_;
            spec.precision = number();
        }
        while (peek() == 'h' || peek() == 'l' || peek() == 'L') {
            ++at_;
        }
        const char kind = format_[at_++];
        if (kind == '%') {
            out_ += '%';
            return;
        }
        if (kKinds.find(kind) == std::string_view::npos) {
            throw Failure{"the format \"" + oci::printable(format_, 60) + "\" has an unknown letter \"" +
                          oci::printable(std::string(1, kind)) + "\""};
        }
        if (value.missing()) {
            value = next_value();
        }
        convert(value, kind, spec);
    }

    void convert(const Value& value, char kind, FormatSpec spec) {
        if (kind == 's' || kind == 'r' || kind == 'a' || kind == 'c') {
            spec.zeros = false;
            TextBuilder text(renderer_.budget());
            text_of(value, kind, text);
            put(format_text(text.text(), spec), value);
            return;
        }
        spec.zeros = spec.zeros && spec.align != '<';
        if (!value.is_number()) {
            throw Failure{std::string("%") + kind + " in a format needs a number, found a " +
                          std::string(type_name(value))};
        }
        const bool is_float = std::string_view("eEfFgG").find(kind) != std::string_view::npos;
        spec.kind = is_float ? kind : kind == 'i' || kind == 'u' ? 'd' : kind;
        if (is_float) {
            put(format_float(value.real(), spec), value);
            return;
        }
        if (value.is(Kind::Float) && spec.kind != 'd') {
            throw Failure{std::string("%") + kind + " in a format needs an int, found a float"};
        }
        put(format_integer(truncated(value), spec), value);
    }

    void text_of(const Value& value, char kind, TextBuilder& to) {
        if (kind == 's') {
            renderer_.print(value, to);
        } else if (kind == 'c' && value.is_text() && value.as<Text>().length == 1) {
            to += value.text();
        } else if (kind == 'c') {
            if (!value.is_integral() || value.integer() < 0 || value.integer() > 0xD7FF) {
                throw Failure{"%c in a format needs a character"};
            }
            std::string character;
            append_character(character, static_cast<char32_t>(value.integer()));
            to += character;
        } else {
            append_repr(to, value);
        }
    }

    void put(const std::string& text, const Value& value) {
        const bool is_markup = value.is_text() && value.as<Text>().markup;
        if (markup_ && !is_markup) {
            append_escaped(out_, text);
        } else {
            out_ += text;
        }
    }

    Renderer& renderer_;
    std::string_view format_;
    bool markup_;
    const Value& values_;
    TextBuilder out_;
    std::size_t at_ = 0;
    std::size_t next_ = 0;
    bool named_ = false;
};

/// "{}", "{0}", "{name!r:>10}" in a text.
class BraceFormat {
public:
    BraceFormat(Renderer& renderer, const Value& format, Arguments& arguments)
        : renderer_(renderer), format_(format.text()), arguments_(arguments), out_(renderer.budget()) {}

    Value run() {
        while (at_ < format_.size()) {
            const std::size_t brace = std::min(format_.find_first_of("{}", at_), format_.size());
            out_ += format_.substr(at_, brace - at_);
            at_ = brace;
            if (at_ == format_.size()) {
                break;
            }
            if (at_ + 1 < format_.size() && format_[at_ + 1] == format_[at_]) {
                out_ += format_[at_];
                at_ += 2;
            } else if (format_[at_] == '}') {
                throw Failure{"format(): a single \"}\"; a brace itself is written \"}}\""};
            } else {
                field();
            }
        }
        return make_text(out_);
    }

private:
    void field() {
        const std::size_t end = format_.find('}', at_);
        if (end == std::string_view::npos) {
            throw Failure{"format(): a \"{\" is not closed; a brace itself is written \"{{\""};
        }
        std::string_view field = format_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        if (field.find_first_of("{.[") != std::string_view::npos && field.find_first_of("{.[") < field.find(':')) {
            throw Failure{"format(): attributes and fields in fields are not supported"};
        }
        const std::size_t colon = std::min(field.find(':'), field.size());
        const std::string_view specification = colon < field.size() ? field.substr(colon + 1) : "";
        if (specification.find('{') != std::string_view::npos) {
            throw Failure{"format(): fields in fields are not supported"};
        }
        field = field.substr(0, colon);
        const std::size_t mark = std::min(field.find('!'), field.size());
        const std::string_view conversion = mark < field.size() ? field.substr(mark + 1) : "";
        const Value value = find(field.substr(0, mark));
        if (mark < field.size() && conversion != "r" && conversion != "s") {
            throw Failure{"format(): what follows \"!\" is \"r\" or \"s\""};
        }
        put(value, conversion, FormatSpec::parse(specification));
    }

    Value find(std::string_view name) {
        const bool is_number = name.find_first_not_of("0123456789") == std::string_view::npos;
        if (!is_number) {
            const auto found = std::find_if(arguments_.named.begin(), arguments_.named.end(),
                                            [&](const auto& each) { return each.first == name; });
            if (found == arguments_.named.end()) {
                throw Failure{"format(): no argument is called \"" + oci::printable(name, 60) + "\""};
            }
            return found->second;
        }
        constexpr std::size_t kLongest = 6;
        const std::size_t index = name.empty()             ? next_++
                                  : name.size() > kLongest ? arguments_.positional.size()
                                                           : std::stoul(std::string(name));
        if (index >= arguments_.positional.size()) {
            throw Failure{"format(): there are not enough arguments"};
        }
        return arguments_.positional[index];
    }

    void put(const Value& value, std::string_view conversion, FormatSpec spec) {
        if (conversion.empty() && value.is_number() && (!value.is(Kind::Bool) || !spec.plain)) {
            const bool as_float =
                value.is(Kind::Float) || std::string_view("eEfFgG%").find(spec.kind) != std::string_view::npos;
            spec.align = spec.align == 0 ? '>' : spec.align;
            if (!as_float) {
                out_ += format_integer(value.integer(), spec);
            } else {
                out_ += spec.kind == 0 && !spec.precision ? format_number_text(float_text(value.real()), spec)
                                                          : format_float(value.real(), spec);
            }
            return;
        }
        if (conversion.empty() && !value.is_text() && !spec.plain) {
            throw Failure{"format(): a " + std::string(type_name(value)) + " takes nothing behind \":\""};
        }
        if (spec.kind != 0 && spec.kind != 's') {
            throw Failure{std::string("format(): \"") + spec.kind + "\" needs a number"};
        }
        TextBuilder text(renderer_.budget());
        if (conversion == "r") {
            append_repr(text, value);
        } else {
            renderer_.print(value, text);
        }
        spec.align = spec.align == 0 ? '<' : spec.align;
        out_ += format_text(text.text(), spec);
    }

    Renderer& renderer_;
    std::string_view format_;
    Arguments& arguments_;
    TextBuilder out_;
    std::size_t at_ = 0;
    std::size_t next_ = 0;
};

}  // namespace

Value format_percent(Renderer& renderer, const Value& format, const Value& values) {
    return PercentFormat(renderer, format, values).run();
}

Value format_braces(Renderer& renderer, const Value& format, Arguments& arguments) {
    return BraceFormat(renderer, format, arguments).run();
}

}  // namespace cooper::build::jinja
