"use strict";
// The map of an incident, or of the whole commune: Leaflet, loaded when a map is first shown. It needs no Internet: lanes, homes, fire
// points and water come from the site's description. All that it shows stands in words beside it.

(() => {
  const LIBRARY = "/static/vendor/leaflet-1.9.4";
  const BASES = { vector: "/static/vendor/protomaps-leaflet-5.1.0.js", raster: "/static/vendor/pmtiles-4.5.0.js" };
  const BELLS = { measured: "✓", commanded: "▷", waiting: "…", silent: "✕", fault: "!", silenced: "–" };
  const SAYS = { safe: "✓", need_help: "!", coming: "▷" };
  const READY = { all: "✓", well: "✓", some: "!", none: "!", gone: "!", unknown: "?", unwatched: "?" };
  let loading = null;
  let shown = null; // { inner, scene: id of the piece with what is shown, map, features, layer }

  function loaded(tag) {
    return new Promise((done, failed) => {
      tag.onload = done;
      tag.onerror = () => failed(new Error(tag.src || tag.href));
      document.head.append(tag);
    });
  }

  function script(source) {
    const tag = document.createElement("script");
    tag.src = source;
    return loaded(tag);
  }

  function load(base) {
    loading ??= (async () => {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = `${LIBRARY}.css`;
      await Promise.all([loaded(style), script(`${LIBRARY}.js`)]);
      if (BASES[base]) await script(BASES[base]);
      const answer = await fetch("/map.geojson");
      if (!answer.ok) throw new Error(`/map.geojson: ${answer.status}`);
      return answer.json();
    })();
    loading.catch(() => (loading = null));
    return loading;
  }

  // Texts only, never markup: names come from a spreadsheet.
  function pin(className, symbol, label) {
    const mark = document.createElement("span");
    mark.className = `pin ${className}`;
    const sign = document.createElement("b");
    sign.textContent = symbol;
    mark.append(sign);
    if (label) {
      const text = document.createElement("span");
      text.textContent = label;
      mark.append(" ", text);
    }
    return L.divIcon({ className: "pinbox", html: mark, iconSize: null });
  }

  function put(layer, feature, icon, above) {
    const [lon, lat] = feature.geometry.coordinates;
    const name = document.createElement("span");
    name.textContent = feature.properties.name;
    return L.marker([lat, lon], { icon, keyboard: false, zIndexOffset: above }).bindTooltip(name, { direction: "top" }).addTo(layer);
  }

  // What is larger than the finest tile is drawn from it.
  async function base(map) {
    const meta = document.getElementById("map-base").dataset;
    const options = { attribution: meta.attribution, maxZoom: 20 };
    if (meta.kind === "vector") {
      const flavor = document.documentElement.dataset.theme === "dark" ? "dark" : "light";
      protomapsL.leafletLayer({ url: "/map.pmtiles", flavor, lang: "vi", maxDataZoom: 15, attribution: meta.attribution }).addTo(map);
    } else if (meta.kind === "raster") {
      const archive = new pmtiles.PMTiles("/map.pmtiles");
      const { minZoom, maxZoom } = await archive.getHeader();
      pmtiles.leafletRasterLayer(archive, { ...options, minNativeZoom: minZoom, maxNativeZoom: maxZoom }).addTo(map);
    } else if (meta.kind === "online") {
      L.tileLayer(meta.tiles, { ...options, maxNativeZoom: 19, referrerPolicy: "origin" }).addTo(map);
    }
  }

  // Their names lie below the marks (600) and the names of what burns.
  function lanes(map, features) {
    map.createPane("lane-names").style.zIndex = 450;
    for (const feature of features.filter((one) => one.properties.kind === "lane")) {
      const path = feature.geometry.coordinates.map(([lon, lat]) => [lat, lon]);
      L.polyline(path, { className: "lane-edge", weight: 11, interactive: false }).addTo(map);
      const name = document.createElement("span");
      name.textContent = feature.properties.name;
      L.polyline(path, { className: "lane", weight: 8 }).bindTooltip(name, { permanent: true, direction: "center", className: "lane-name", pane: "lane-names" }).addTo(map);
    }
  }

  function draw(state) {
    state.drawn = document.getElementById(state.scene).dataset.shown;
    const scene = JSON.parse(state.drawn);
    const at = new Set(scene.at || []);
    const groups = new Set(scene.groups || []);
    const corners = scene.place ? [scene.place] : [];
    state.layer.clearLayers();
    for (const feature of state.features) {
      const { kind, id, group } = feature.properties;
      if (kind === "lane") continue;
      const [lon, lat] = feature.geometry.coordinates;
      const isPlace = at.has(id);
      if (isPlace || (kind === "home" && groups.has(group)) || id in (scene.points || {}) || (scene.water || []).includes(id)) corners.push([lat, lon]);
      if (isPlace) {
        put(state.layer, feature, pin("place", "▲", feature.properties.name), 3000);
      } else if (kind === "home") {
        const bell = (scene.bells || {})[id];
        const says = (scene.says || {})[id];
        const helps = (scene.help || []).includes(id);
        const symbol = says ? SAYS[says] : bell ? BELLS[bell] : "";
        const tone = says === "need_help" || helps ? "needs" : says || bell || "";
        put(state.layer, feature, pin(`home ${tone}`, helps && says !== "safe" ? "!" : symbol || "·"), groups.has(group) ? 1000 : 0);
      } else if (kind === "fire_point") {
        const [key, there, total] = (scene.points || {})[id] || ["unwatched", 0, 0];
        put(state.layer, feature, pin(`point ${key}`, READY[key], total && key !== "unknown" ? `${there}/${total}` : ""), 2000);
      } else if (kind === "water") {
        put(state.layer, feature, pin("water", "≈"), 500);
      } else {
        put(state.layer, feature, pin(kind, kind === "sos" ? "S" : "*"), 0);
      }
    }
    if (scene.place) {
      L.circle(scene.place, { radius: 14, className: "here", interactive: false }).addTo(state.layer);
    }
    return corners.length ? corners : state.features.flatMap((one) => (one.geometry.type === "Point" ? [[one.geometry.coordinates[1], one.geometry.coordinates[0]]] : []));
  }

  // The map lives in an element of its own inside the box, so that it can move to the box that takes the place of this one.
  async function show() {
    const box = document.querySelector(".mapbox");
    if (shown && box && shown.scene === box.dataset.scene) {
      if (shown.inner.parentElement !== box) box.replaceChildren(shown.inner);
      return;
    }
    if (shown) shown.map?.remove();
    shown = null;
    if (!box) return;
    const inner = document.createElement("div");
    inner.className = "map";
    box.replaceChildren(inner);
    const mine = (shown = { inner, scene: box.dataset.scene });
    try {
      const { features } = await load(document.getElementById("map-base").dataset.kind);
      if (shown !== mine) return;
      const options = { zoomControl: false, preferCanvas: features.length > 800, zoomAnimation: false, fadeAnimation: false, zoomSnap: 0.25, maxZoom: 20 };
      const map = L.map(inner, options);
      const words = document.getElementById("map-base").dataset;
      L.control.zoom({ zoomInTitle: words.closer, zoomOutTitle: words.farther }).addTo(map);
      map.attributionControl.setPrefix(false);
      base(map).catch((error) => console.warn("base map:", error)); // the commune's own stands without it
      lanes(map, features);
      Object.assign(mine, { map, features, layer: L.layerGroup().addTo(map) });
      const corners = draw(mine);
      if (corners.length) map.fitBounds(corners, { padding: [28, 28], maxZoom: 19 });
      else map.setView([20.98, 105.91], 14);
      inner.dataset.state = "shown";
    } catch (error) {
      if (shown === mine) shown = null; // the next piece that comes tries again
      inner.textContent = document.getElementById("map-base").dataset.failed;
      console.warn("map:", error);
    }
  }

  function replaced() {
    show();
    const scene = shown?.map && document.getElementById(shown.scene);
    if (scene && scene.dataset.shown !== shown.drawn) draw(shown);
  }

  document.body.addEventListener("htmx:oobAfterSwap", replaced);
  document.body.addEventListener("htmx:afterSettle", show);
  show();
})();
