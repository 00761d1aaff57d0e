#include "cooper/build/project.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/nearest.hpp"

#include "build/project/matrix_member.hpp"
#include "build/project/member_reader.hpp"
#include "build/project/setting_keys.hpp"
#include "oci/printable.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::array<std::string_view, 5> kTopKeys = {"$schema", "version", "defaults", "images", "matrix"};
constexpr std::array<std::string_view, 3> kFileKeys = {"from", "to", "optional"};

std::string in_quotes(std::string_view text) {
    return "\"" + oci::printable(text) + "\"";
}

TemplateValue template_value(CommentedValue value) {
    return std::visit(
        [](auto& data) -> TemplateValue {
            using Data = std::decay_t<decltype(data)>;
            if constexpr (std::is_same_v<Data, std::monostate>) {
                return {};
            } else if constexpr (std::is_same_v<Data, CommentedList>) {
                TemplateList list;
                std::transform(data.begin(), data.end(), std::back_inserter(list),
                               [](CommentedValue& element) { return template_value(std::move(element)); });
                return list;
            } else if constexpr (std::is_same_v<Data, CommentedObject>) {
                TemplateMap map;
                for (CommentedMember& member : data) {
                    map.emplace_back(std::move(member.key), template_value(std::move(member.value)));
                }
                return map;
            } else {
                return std::move(data);
            }
        },
        value.data);
}

/// Reads what a project file says.
class ProjectReader : private MemberReader {
public:
    explicit ProjectReader(const std::filesystem::path& file) : MemberReader(oci::printable(file.string())) {
        project_.file = file;
    }

    Project read(std::string_view text) {
        CommentedValue document = parse_commented_json(text, file_name());
        for (CommentedMember& member : take<CommentedObject>(document, "the file", "an object")) {
            read_top(member);
        }
        if (project_.images.empty()) {
            throw error_in_line(file_name(), document.line, "images: there is none")
                .advise(R"("images": {"NAME": {…}}, even if all is said in "defaults")");
        }
        return std::move(project_);
    }

private:
    void read_top(CommentedMember& member) {
        if (member.key == "$schema") {
            take<std::string>(member.value, member.key, "a text");
        } else if (member.key == "version") {
            check_format(member.value);
        } else if (member.key == "defaults") {
            project_.defaults = read_settings(member.value, "defaults");
        } else if (member.key == "images") {
            for (CommentedMember& image : take<CommentedObject>(member.value, "images", "an object")) {
                in_line(image.line, "images", [&] { check_image_name(image.key); });
                project_.images.push_back(read_settings(image.value, "images." + image.key));
                project_.images.back().name = image.key;
            }
        } else if (member.key == "matrix") {
            project_.matrix = read_matrix_member(member.value, *this);
        } else if (find_setting_key(member.key) != nullptr) {
            throw error_in_line(file_name(), member.line, in_quotes(member.key) + " is a key of images")
                .advise(R"(put it into "defaults", which count for all images, or into one of "images")");
        } else {
            throw_unknown(member, "", kTopKeys);
        }
    }

    void check_format(CommentedValue& value) {
        const auto* const number = std::get_if<std::int64_t>(&value.data);
        if (number == nullptr) {
            throw error_in_line(file_name(), value.line,
                                "version: expected the number of the file's format, " + std::to_string(kFormat) +
                                    ", found " + std::string(value.kind()))
                .advise(R"(the project's version belongs into "defaults")");
        }
        if (*number != kFormat) {
            Error error(ErrorCode::Unsupported, file_name() + ":" + std::to_string(value.line) +
                                                    ": version: this cooper reads format " + std::to_string(kFormat) +
                                                    ", not " + std::to_string(*number));
            throw error.advise("install a newer cooper, or write the file for format " + std::to_string(kFormat));
        }
    }

    ImageSettings read_settings(CommentedValue& value, const std::string& where) {
        ImageSettings settings;
        for (CommentedMember& member : take<CommentedObject>(value, where, "an object")) {
            const SettingKey* const key = find_setting_key(member.key);
            if (key == nullptr) {
                throw_unknown_setting(member, where);
            }
            const std::string way = where + "." + member.key;
            std::visit([&](auto place) { read_into(settings.*place, member.value, *key, way); }, key->member);
            check_pairs(settings, member, where);
        }
        return settings;
    }

    void check_pairs(const ImageSettings& settings, const CommentedMember& member, const std::string& where) const {
        for (const auto& [first_name, first, second_name, second] : exclusive_settings()) {
            if ((member.key == first_name || member.key == second_name) && settings.*first && settings.*second) {
                throw error_in_line(file_name(), member.line,
                                    where + ": " + std::string(first_name) + " and " + std::string(second_name) +
                                        " exclude each other");
            }
        }
    }

    // -- values by type

    void read_into(std::optional<std::string>& to, CommentedValue& value, const SettingKey& key,
                   const std::string& where) {
        to = checked_text(value, key, where);
    }

    void read_into(std::optional<bool>& to, CommentedValue& value, const SettingKey& /*key*/,
                   const std::string& where) {
        to = take<bool>(value, where, "true or false");
    }

    void read_into(std::optional<std::vector<std::string>>& to, CommentedValue& value, const SettingKey& key,
                   const std::string& where) {
        to.emplace();
        for (CommentedValue& element : take<CommentedList>(value, where, "a list of texts")) {
            to->push_back(checked_text(element, key, numbered(where, to->size())));
        }
    }

    void read_into(std::optional<std::vector<ExtraFile>>& to, CommentedValue& value, const SettingKey& key,
                   const std::string& where) {
        to.emplace();
        for (CommentedValue& element : take<CommentedList>(value, where, "a list of paths and objects")) {
            const std::string way = numbered(where, to->size());
            if (std::holds_alternative<std::string>(element.data)) {
                to->push_back({checked_text(element, key, way), "", false});
            } else {
                to->push_back(read_extra_file(element, key, way));
            }
        }
    }

    void read_into(std::optional<TemplateMap>& to, CommentedValue& value, const SettingKey& key,
                   const std::string& where) {
        to.emplace();
        for (CommentedMember& member : take<CommentedObject>(value, where, "an object")) {
            in_line(member.line, where, [&] { key.check(member.key); });
            to->emplace_back(std::move(member.key), template_value(std::move(member.value)));
        }
    }

    void read_into(std::optional<std::vector<std::pair<std::string, std::string>>>& to, CommentedValue& value,
                   const SettingKey& key, const std::string& where) {
        to.emplace();
        for (CommentedMember& member : take<CommentedObject>(value, where, "an object of texts")) {
            in_line(member.line, where, [&] { key.check(member.key); });
            std::string text = take<std::string>(member.value, where + "." + member.key, "a text");
            to->emplace_back(std::move(member.key), std::move(text));
        }
    }

    ExtraFile read_extra_file(CommentedValue& value, const SettingKey& key, const std::string& where) {
        ExtraFile file;
        for (CommentedMember& member :
             take<CommentedObject>(value, where, R"(a path, or an object {"from": …, "to": …, "optional": …})")) {
            const std::string way = where + "." + member.key;
            if (member.key == "from") {
                file.from = checked_text(member.value, key, way);
            } else if (member.key == "to") {
                file.to = checked_text(member.value, key, way);
            } else if (member.key == "optional") {
                file.optional = take<bool>(member.value, way, "true or false");
            } else {
                throw_unknown(member, where, kFileKeys);
            }
        }
        if (file.from.empty()) {
            throw error_in_line(file_name(), value.line, where + ": \"from\" is missing");
        }
        return file;
    }

    // -- small work

    std::string checked_text(CommentedValue& value, const SettingKey& key, const std::string& where) const {
        std::string& text = take<std::string>(value, where, "a text");
        in_line(value.line, where, [&] { key.check(text); });
        return std::move(text);
    }

    [[noreturn]] void throw_unknown_setting(const CommentedMember& member, const std::string& where) const {
        if (looks_like_key(member.key)) {
            Error error =
                error_in_line(file_name(), member.line,
                              where + ": " + in_quotes(member.key) + ": keys and passwords never belong into the file");
            throw error.advise(
                "the Runtime API's key comes from $RUNTIME_API_KEY, registries' from docker's config.json");
        }
        std::vector<std::string_view> names;
        for (const SettingKey& key : setting_keys()) {
            names.push_back(key.name);
        }
        throw_unknown(member, where, names);
    }

    static bool looks_like_key(std::string_view name) {
        constexpr std::array<std::string_view, 5> kEnds = {"key", "token", "password", "secret", "credentials"};
        return std::any_of(kEnds.begin(), kEnds.end(), [name](std::string_view end) { return name.ends_with(end); });
    }

    Project project_;
};

bool is_there(const std::filesystem::path& path, struct stat& status) {
    return lstat(path.c_str(), &status) == 0;
}

}  // namespace

ImageSettings Project::image(std::string_view name) const {
    std::vector<std::string_view> names;
    for (const ImageSettings& one : images) {
        names.push_back(one.name);
    }
    const std::string shown = oci::printable(file.string());
    if (name.empty() && images.size() != 1) {
        throw Error(ErrorCode::InvalidInput, shown + " describes several images: which one?")
            .advise("--image NAME: " + list_of(names));
    }
    const auto found = name.empty() ? names.begin() : std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        const auto near = nearest(name, names);
        throw Error(ErrorCode::NotFound, shown + " has no image " + in_quotes(name) +
                                             (near ? "; did you mean " + in_quotes(*near) + "?" : ""))
            .advise("one of " + list_of(names));
    }
    ImageSettings settings = defaults;
    settings.overlay(images[static_cast<std::size_t>(found - names.begin())]);
    settings.root = file.has_parent_path() ? file.parent_path() : ".";
    return settings;
}

Project parse_project(std::string_view text, const std::filesystem::path& file) {
    return ProjectReader(file).read(text);
}

Project read_project(const std::filesystem::path& file) {
    return parse_project(read_file(file, kMaxProjectFile), file);
}

std::optional<std::filesystem::path> find_project(const std::filesystem::path& directory) {
    struct stat status {};
    if (is_there(directory / kProjectFile, status)) {
        return (directory / kProjectFile).lexically_normal();
    }
    const std::filesystem::path start = std::filesystem::weakly_canonical(directory);
    struct stat first {};
    if (!is_there(start, first)) {
        return std::nullopt;
    }
    std::filesystem::path place = start;
    while (!is_there(place / ".git", status) && place.has_relative_path()) {
        place = place.parent_path();
        const bool found = is_there(place / kProjectFile, status);
        if (found && (status.st_uid == first.st_uid || status.st_uid == geteuid() || status.st_uid == 0)) {
            return place / kProjectFile;
        }
    }
    return std::nullopt;
}

TemplateValue parse_template_value(std::string_view json, const std::string& what) {
    return template_value(parse_commented_json(json, what));
}

}  // namespace cooper::build
