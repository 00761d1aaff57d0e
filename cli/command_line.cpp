#include "command_line.hpp"

#include "cooper/base/nearest.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>

namespace cooper::cli {

namespace {

std::string text_of(std::string_view view) {
    return std::string(view);
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view given, std::span<const std::string_view> candidates) {
    return cooper::nearest(given, candidates);
}

unsigned parse_count(std::string_view text, unsigned least, unsigned most) {
    const auto number = parse_uint(text);
    if (!number || *number < least || *number > most) {
        throw Error(ErrorCode::InvalidInput, "\"" + text_of(text) + "\" is not a number from " + std::to_string(least) +
                                                 " to " + std::to_string(most));
    }
    return static_cast<unsigned>(*number);
}

bool CommandLine::Flag::is_called(std::string_view name) const {
    return name == long_name() || (names.size() > 2 && names[1] != '-' && name == names.substr(0, 2));
}

std::string_view CommandLine::Flag::long_name() const {
    return names.substr(names.find("--"));
}

void CommandLine::declare(std::string_view names, std::string_view placeholder, std::string_view help, bool repeatable,
                          std::function<void(std::string_view)> take) {
    flags_.push_back({heading_, names, placeholder, help, repeatable, std::move(take)});
}

void CommandLine::toggle(std::string_view names, std::string_view help, bool& into) {
    declare(names, "", help, true, [&into](std::string_view) { into = true; });
}

void CommandLine::value(std::string_view names, std::string_view placeholder, std::string_view help,
                        std::string& into) {
    declare(names, placeholder, help, false, [&into](std::string_view given) { into = given; });
}

void CommandLine::values(std::string_view names, std::string_view placeholder, std::string_view help,
                         std::vector<std::string>& into) {
    declare(names, placeholder, help, true, [&into](std::string_view given) { into.emplace_back(given); });
}

CommandLine::Flag& CommandLine::flag_called(std::string_view name) {
    const auto found =
        std::find_if(flags_.begin(), flags_.end(), [name](const Flag& flag) { return flag.is_called(name); });
    if (found != flags_.end()) {
        return *found;
    }
    std::vector<std::string_view> known{"--help"};
    for (const Flag& flag : flags_) {
        known.push_back(flag.long_name());
    }
    const auto suggestion = nearest(name, known);
    throw UsageError(text_of(text_.name) + " has no flag " + text_of(name),
                     suggestion ? text_of(*suggestion) : "cooper help " + text_of(text_.name));
}

std::optional<std::vector<std::string>> CommandLine::parse(std::span<const std::string_view> arguments) {
    std::vector<std::string> positionals;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (argument == "--") {
            positionals.insert(positionals.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                               arguments.end());
            break;
        }
        if (argument == "--help" || argument == "-h") {
            return std::nullopt;
        }
        if (argument.size() < 2 || argument[0] != '-') {  // "-" alone is a file name
            positionals.emplace_back(argument);
            continue;
        }
        const bool is_long = argument.starts_with("--");
        const std::size_t equals = is_long ? argument.find('=') : std::string_view::npos;
        const std::string_view name = argument.substr(0, equals);
        Flag& flag = flag_called(name);
        if (flag.seen && !flag.repeatable) {
            throw UsageError(text_of(name) + " is given twice");
        }
        flag.seen = true;
        std::string_view given;
        if (flag.placeholder.empty()) {
            if (equals != std::string_view::npos) {
                throw UsageError(text_of(name) + " takes no value");
            }
        } else if (equals != std::string_view::npos) {
            given = argument.substr(equals + 1);
        } else if (++i < arguments.size()) {
            given = arguments[i];
        } else {
            throw UsageError(text_of(name) + " needs a value: " + text_of(name) + " " + text_of(flag.placeholder));
        }
        as_usage(name, [&] { flag.take(given); });
    }
    return positionals;
}

std::string CommandLine::help() const {
    constexpr std::size_t kHelpColumn = 30;
    std::string out = "Usage: cooper " + text_of(text_.name) + " " + text_of(text_.usage) + "\n\n" +
                      text_of(text_.about) + "\n\nExamples\n";
    for (const Example& example : text_.examples) {
        out += "  # " + text_of(example.purpose) + "\n  " + text_of(example.command) + "\n";
    }
    std::string_view heading;
    for (const Flag& flag : flags_) {
        if (flag.heading != heading) {
            heading = flag.heading;
            out += "\n" + text_of(heading) + "\n";
        }
        std::string left = "  " + text_of(flag.names);
        if (!flag.placeholder.empty()) {
            left += " " + text_of(flag.placeholder);
        }
        left.append(left.size() < kHelpColumn ? kHelpColumn - left.size() : 2, ' ');
        out += left + text_of(flag.help) + "\n";
    }
    std::string left = "  -h, --help";
    left.append(kHelpColumn - left.size(), ' ');
    return out + left + "this text\n";
}

}  // namespace cooper::cli
