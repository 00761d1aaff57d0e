#include "edit_command.hpp"

#include "cooper/oci/overlay_blobs.hpp"

namespace cooper::cli {

void EditCommand::declare_edit(CommandLine& line) {
    line.heading("Image");
    transfer_.declare_platforms(line);
    transfer_.declare_archive(line);
    connection_.declare_places(line);
    connection_.declare_network(line);
    output.declare(line);
}

EditCommand::Places EditCommand::parse_places(const std::vector<std::string>& positionals) const {
    transfer_.check();
    Places places{{parse_source(positionals.at(0))}, parse_destination(positionals.at(1))};
    for (std::size_t i = 2; i < positionals.size(); ++i) {
        places.from.push_back(parse_source(positionals[i]));
    }
    auto all = places.from;
    all.push_back(places.to);
    check_one_login(connection_, all);
    return places;
}

oci::OpenedPlace EditCommand::open(Session& session, const oci::PlaceName& place, bool whole) const {
    auto opened = oci::open_place(place, transfer_.platform, whole, session.places(), session.run());
    if (place.kind == oci::PlaceName::Kind::Registry) {
        opened.graph.source = oci::kept_blobs(opened.graph.source, session.spool());
    }
    return opened;
}

oci::Image EditCommand::open_image_at(Session& session, const oci::PlaceName& place) const {
    return oci::image_of(open(session, place, false).graph, transfer_.platform, place.text(), session.run());
}

void EditCommand::write(Session& session, const Places& places, const oci::OpenedPlace& from, oci::Graph edited) {
    oci::OpenedPlace made = from;
    made.graph = std::move(edited);
    transfer_.write.task = places.to.text();
    const std::vector<oci::OpenedPlace> all{std::move(made)};
    const auto written = oci::write_place(places.to, all, transfer_.write, session.places(), session.run());
    session.finish_progress();
    report_transfer(output, places.to, all, written);
}

void EditCommand::edit_images(Session& session, const Places& places, const build::ImageEdit& edit) {
    const auto opened = open(session, places.from.at(0), transfer_.all_platforms);
    write(session, places, opened, build::edit_images(opened.graph, edit, session.run()));
}

}  // namespace cooper::cli
