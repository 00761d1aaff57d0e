#include "cooper/base/text.hpp"

#include "build/template/arguments.hpp"
#include "build/template/characters.hpp"
#include "build/template/filter_kinds.hpp"
#include "build/template/format.hpp"
#include "build/template/methods.hpp"
#include "build/template/printing.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>

namespace cooper::build::jinja::filters {

namespace {

/// A text as it is, anything else printed: soft_str.
Value as_text(Renderer& renderer, const Value& value) {
    if (value.is_text()) {
        return value;
    }
    TextBuilder printed(renderer.budget());
    renderer.print(value, printed);
    return make_text(printed);
}

bool is_markup(const Value& text) {
    return text.as<Text>().markup;
}

Value recased(Renderer& renderer, Arguments& given, std::string_view who, std::string (*change)(std::string_view)) {
    const Bound bound(given, who, {"value"}, 1);
    const Value text = as_text(renderer, bound[0]);
    return renderer.text(change(text.text()), is_markup(text));
}

/// Words begin behind blanks, "-" and open brackets.
std::string title_case(std::string_view text) {
    std::string result;
    bool begins = true;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const char32_t c = next_character(text, at);
        const std::string_view character = text.substr(begin, at - begin);
        const bool separates = is_space(c) || std::u32string_view(U"-({[<").find(c) != std::u32string_view::npos;
        result += begins || separates ? jinja::upper(character) : jinja::lower(character);
        begins = separates;
    }
    return result;
}

}  // namespace

Value capitalize(Renderer& renderer, Arguments& given) {
    return recased(renderer, given, "capitalize", capitalized);
}

Value lower(Renderer& renderer, Arguments& given) {
    return recased(renderer, given, "lower", jinja::lower);
}

Value upper(Renderer& renderer, Arguments& given) {
    return recased(renderer, given, "upper", jinja::upper);
}

Value title(Renderer& renderer, Arguments& given) {
    Value text = recased(renderer, given, "title", title_case);
    return renderer.text(text.text());  // joined from pieces: no Markup any more
}

Value center(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "center", {"value", "width"}, 1);
    const Value text = as_text(renderer, bound[0]);
    TextBuilder out(renderer.budget());
    append_centered(out, text.as<Text>(), bound.integer(1, 80), " ");
    return make_text(out, is_markup(text));
}

Value escape(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "escape", {"value"}, 1);
    const Value text = as_text(renderer, bound[0]);
    return is_markup(text) ? text : force_escape(renderer, given = {{text}, {}});
}

Value force_escape(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "forceescape", {"value"}, 1);
    TextBuilder out(renderer.budget());
    append_escaped(out, as_text(renderer, bound[0]).text());
    return make_text(out, true);
}

Value safe(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "safe", {"value"}, 1);
    return renderer.text(as_text(renderer, bound[0]).text(), true);
}

Value string(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "string", {"value"}, 1);
    return as_text(renderer, bound[0]);
}

Value format(Renderer& renderer, Arguments& given) {
    if (given.positional.size() > 1 && !given.named.empty()) {
        throw Failure{"format takes values by position or by name, not both"};
    }
    const Value text = as_text(renderer, given.positional.front());
    if (given.named.empty()) {
        return format_percent(renderer, text,
                              make_tuple(renderer.budget(), {given.positional.begin() + 1, given.positional.end()}));
    }
    std::vector<std::pair<Value, Value>> names;
    for (auto& [name, value] : given.named) {
        names.emplace_back(renderer.text(name), value);
    }
    return format_percent(renderer, text, make_dict(renderer.budget(), std::move(names)));
}

Value indent(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "indent", {"s", "width", "first", "blank"}, 1);
    const bool first = bound.has(2) && renderer.truth(bound[2]);
    const bool blank = bound.has(3) && renderer.truth(bound[3]);
    TextBuilder indention(renderer.budget());
    if (bound.has(1) && bound[1].is_text()) {
        indention += bound[1].text();
    } else {
        indention.fill(static_cast<std::size_t>(std::max<std::int64_t>(bound.integer(1, 4), 0)), " ");
    }
    const std::string whole = bound.text(0) + "\n";
    const std::vector<std::string_view> lines = split_lines(whole);
    TextBuilder out(renderer.budget());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        out += i == 0 ? "" : "\n";
        if (i == 0 ? first : blank || !lines[i].empty()) {
            out += indention.text();
        }
        out += lines[i];
    }
    return make_text(out, is_markup(bound[0]));
}

Value replace(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "replace", {"s", "old", "new", "count"}, 3);
    const Value text = as_text(renderer, bound[0]);
    const Value from = as_text(renderer, bound[1]);
    const Value by = as_text(renderer, bound[2]);
    TextBuilder out(renderer.budget());
    append_replaced(out, text.text(), from.text(), by.text(), bound.is_set(3) ? bound.integer(3) : -1);
    return make_text(out);
}

Value tojson(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "tojson", {"value", "indent"}, 1);
    constexpr std::int64_t kWidest = 100;
    const std::int64_t indent = bound.is_set(1) ? std::max<std::int64_t>(bound.integer(1), 0) : -1;
    if (indent > kWidest) {
        throw Failure{"tojson: \"indent\" is more than " + std::to_string(kWidest)};
    }
    TextBuilder out(renderer.budget());
    append_json(out, bound[0], indent);
    return make_text(out, true);
}

Value trim(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "trim", {"value", "chars"}, 1);
    const Value text = as_text(renderer, bound[0]);
    const auto part = stripped(text.text(), bound.is_set(1) ? &bound.text(1) : nullptr, true, true);
    return renderer.text(std::string(part), is_markup(text));
}

Value truncate(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "truncate", {"s", "length", "killwords", "end", "leeway"}, 1);
    const std::string end = bound.text(3, "...");
    const auto end_length = static_cast<std::int64_t>(count_characters(end));
    const std::int64_t length = bound.integer(1, 255);
    const std::int64_t leeway = bound.is_set(4) ? bound.integer(4) : 5;
    if (length < end_length || leeway < 0) {
        throw Failure{"truncate: \"length\" is at least as long as \"end\", \"leeway\" at least 0"};
    }
    const auto size = static_cast<std::int64_t>(renderer.length(bound[0]));
    if (size <= length || size - length <= leeway) {
        return bound[0];
    }
    const std::string& text = bound.text(0);
    std::string kept = text.substr(0, offset_of(text, static_cast<std::size_t>(length - end_length)));
    const bool kill_words = bound.has(2) && renderer.truth(bound[2]);
    if (!kill_words) {
        kept = kept.substr(0, kept.rfind(' '));
    }
    return renderer.text(kept + end, is_markup(bound[0]));
}

Value urlencode(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "urlencode", {"value"}, 1);
    const Value& value = bound[0];
    const bool is_pairs = !value.is_text() && (length_of(value) || value.is(Kind::Generator) || value.is(Kind::Loop));
    if (!is_pairs) {
        return renderer.text(percent_encode(as_text(renderer, value).text(), "/"));
    }
    const auto quoted = [&](const Value& part) {
        const std::string text = percent_encode(as_text(renderer, part).text(), " ");
        std::string result = text;
        std::replace(result.begin(), result.end(), ' ', '+');
        return result;
    };
    Arguments none;
    const Value pairs = value.is(Kind::Dict) ? renderer.call(renderer.attribute(value, "items"), none) : value;
    TextBuilder out(renderer.budget());
    for (const Value& pair : renderer.list(pairs)) {
        const std::vector<Value> both = renderer.list(pair);
        if (both.size() != 2) {
            throw Failure{"urlencode: found " + std::to_string(both.size()) + " values, expected a key and its value"};
        }
        out += out.size() == 0 ? "" : "&";
        out += quoted(both[0]) + "=" + quoted(both[1]);
    }
    return make_text(out);
}

/// Runs of letters, digits and "_".
Value wordcount(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "wordcount", {"s"}, 1);
    const Value text = as_text(renderer, bound[0]);
    if (!is_ascii(text.text())) {
        throw Failure{"wordcount is for ASCII text here"};
    }
    std::int64_t count = 0;
    bool inside = false;
    for (const char c : text.text()) {
        const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        count += is_word && !inside ? 1 : 0;
        inside = is_word;
    }
    return count;
}

}  // namespace cooper::build::jinja::filters
