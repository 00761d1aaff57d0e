#include "command_line.hpp"

#include "cooper/base/text.hpp"

#include <algorithm>

namespace cooper::cli {

namespace {

// The edit distance with swapped neighbours counted as one slip (optimal string alignment).
std::size_t slips(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = std::min(
                {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[a.size()][b.size()];
}

std::string text_of(std::string_view view) {
    return std::string(view);
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view given, std::span<const std::string_view> candidates) {
    constexpr std::size_t kLongestName = 40;  // bounds the table in slips()
    if (given.size() > kLongestName) {
        return std::nullopt;
    }
    std::optional<std::string_view> best;
    std::size_t best_slips = given.size() < 6 ? 2 : 3;  // one slip in a short word, two in a longer one
    for (const std::string_view candidate : candidates) {
        const std::size_t count = slips(given, candidate);
        if (count < best_slips) {
            best = candidate;
            best_slips = count;
        }
    }
    return best;
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
