"""What the map is drawn from: the commune as GeoJSON, and a base map in one PMTiles file, if one lies on the gateway."""

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from gateway.console import geography
from gateway.console.gate import need
from gateway.console.pages import Console


def maps(console: Console) -> APIRouter:
    """Both routes; they change nothing."""
    router = APIRouter(dependencies=[need("desk")])
    drawn = geography.features(console.site)

    @router.get("/map.geojson")
    async def commune() -> Response:
        """Lanes, homes, fire points, posts and water."""
        return JSONResponse(drawn, media_type="application/geo+json")

    @router.get("/map.pmtiles")
    async def tiles() -> Response:
        """The base map, or the range of it that is asked for."""
        if console.base.path is None:
            raise HTTPException(404)
        return FileResponse(console.base.path, media_type="application/octet-stream")

    return router
