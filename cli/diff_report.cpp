#include "diff_report.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>

namespace cooper::cli {

namespace {

std::string sign_of(build::ChangeKind kind) {
    switch (kind) {
        case build::ChangeKind::Added:
            return "+ ";
        case build::ChangeKind::Removed:
            return "- ";
        case build::ChangeKind::Changed:
            break;
    }
    return "~ ";
}

std::string values_text(const std::string& title, const std::vector<build::ValueChange>& changes) {
    std::string out = changes.empty() ? "" : title + "\n";
    for (const auto& change : changes) {
        out += "  " + sign_of(change.kind()) + printable(change.pointer) + ": ";
        out += change.before ? shortened(*change.before) : "";
        out += change.before && change.after ? " -> " : "";
        out += (change.after ? shortened(*change.after) : "") + "\n";
    }
    return out;
}

std::string octal(std::uint32_t mode) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%04o", mode);
    return text.data();
}

std::string_view type_name(const build::FileState& state) {
    if (state.whiteout) {
        return "deleted";
    }
    switch (state.entry.type) {
        case TarType::File:
            return "file";
        case TarType::HardLink:
            return "hard link";
        case TarType::Symlink:
            return "symlink";
        case TarType::CharDevice:
            return "character device";
        case TarType::BlockDevice:
            return "block device";
        case TarType::Directory:
            return "directory";
        case TarType::Fifo:
            break;
    }
    return "fifo";
}

/// One member of a file's state as text.
std::string field_text(const build::FileState& state, std::string_view field) {
    const TarEntry& entry = state.entry;
    if (field == "type" || field == "whiteout") {
        return std::string(type_name(state));
    }
    if (field == "mode") {
        return octal(entry.mode);
    }
    if (field == "uid") {
        return std::to_string(entry.uid);
    }
    if (field == "gid") {
        return std::to_string(entry.gid);
    }
    if (field == "size") {
        return std::to_string(entry.size);
    }
    if (field == "mtime") {
        return std::to_string(entry.mtime);
    }
    if (field == "link") {
        return entry.link;
    }
    if (field == "device") {
        return std::to_string(entry.device_major) + "," + std::to_string(entry.device_minor);
    }
    if (field == "content") {
        return state.content ? state.content->shortened() : "none";
    }
    std::string names;
    for (const auto& [name, value] : entry.xattrs) {
        names += (names.empty() ? "" : " ") + name + "(" + std::to_string(value.size()) + ")";
    }
    return names.empty() ? "none" : names;
}

std::string file_line(const build::FileChange& change) {
    std::string line = sign_of(change.kind()) + printable("/" + change.path);
    if (change.before && change.after) {
        for (const auto field : change.fields) {
            line += "  " + std::string(field) + " " + shortened(field_text(*change.before, field)) + " -> " +
                    shortened(field_text(*change.after, field));
        }
        return line;
    }
    const auto& state = change.before ? *change.before : *change.after;
    line += "  " + std::string(type_name(state));
    if (state.entry.type == TarType::File && !state.whiteout) {
        line += " " + octal(state.entry.mode) + ", " + std::to_string(state.entry.size) + " bytes";
    }
    return line;
}

std::string layer_title(const build::LayerDiff& layer) {
    const auto number = [](const std::optional<std::size_t>& index) {
        return index ? std::to_string(*index + 1) : std::string("none");
    };
    std::string title = "layer " + number(layer.before) + " -> " + number(layer.after);
    if (layer.same_content) {
        return title + ": the same files, compressed differently";
    }
    if (!layer.read) {
        return title + ": differs";
    }
    return title + (layer.files.empty() ? ": the same entries, in another order or another form of tar" : "");
}

Json state_json(const std::optional<build::FileState>& state) {
    if (!state) {
        return nullptr;
    }
    Json document{{"type", type_name(*state)},
                  {"mode", octal(state->entry.mode)},
                  {"uid", state->entry.uid},
                  {"gid", state->entry.gid},
                  {"size", state->entry.size},
                  {"mtime", state->entry.mtime},
                  {"link", printable(state->entry.link)},
                  {"device", field_text(*state, "device")},
                  {"content", state->content ? Json(state->content->text()) : Json()}};
    Json xattrs = Json::object();
    for (const auto& [name, value] : state->entry.xattrs) {
        xattrs[printable(name)] = value.size();
    }
    document["xattrs"] = std::move(xattrs);
    return document;
}

Json files_json(const std::vector<build::FileChange>& changes) {
    Json list = Json::array();
    for (const auto& change : changes) {
        list.push_back({{"path", printable(change.path)},
                        {"change", build::to_string(change.kind())},
                        {"fields", change.fields},
                        {"before", state_json(change.before)},
                        {"after", state_json(change.after)}});
    }
    return list;
}

Json values_json(const std::vector<build::ValueChange>& changes) {
    const auto value = [](const std::optional<std::string>& text) {
        return text ? Json::parse(*text, nullptr, false) : Json();
    };
    Json list = Json::array();
    for (const auto& change : changes) {
        list.push_back({{"pointer", change.pointer},
                        {"change", build::to_string(change.kind())},
                        {"before", value(change.before)},
                        {"after", value(change.after)}});
    }
    return list;
}

Json number_json(const std::optional<std::size_t>& index) {
    return index ? Json(*index) : Json();
}

}  // namespace

std::string diff_text(const build::ImageDiff& diff) {
    std::string out = values_text("manifest", diff.manifest) + values_text("config", diff.config);
    if (diff.other_spelling) {
        out += "manifest or config: other bytes that say the same (order, spaces)\n";
    }
    for (const auto& layer : diff.layers) {
        if (layer.same_blob) {
            continue;
        }
        out += layer_title(layer) + "\n";
        for (const auto& change : layer.files) {
            out += "  " + file_line(change) + "\n";
        }
    }
    out += diff.files.empty() ? "" : "files in the whole\n";
    for (const auto& change : diff.files) {
        out += "  " + file_line(change) + "\n";
    }
    return out;
}

Json diff_json_document(const build::ImageDiff& diff) {
    Json layers = Json::array();
    for (const auto& layer : diff.layers) {
        layers.push_back({{"before", number_json(layer.before)},
                          {"after", number_json(layer.after)},
                          {"same_content", layer.same_content},
                          {"same_blob", layer.same_blob},
                          {"files", files_json(layer.files)}});
    }
    return {{"same", diff.same()},
            {"manifest", values_json(diff.manifest)},
            {"config", values_json(diff.config)},
            {"other_spelling", diff.other_spelling},
            {"layers", std::move(layers)},
            {"files", files_json(diff.files)}};
}

}  // namespace cooper::cli
