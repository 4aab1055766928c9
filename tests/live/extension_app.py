"""Notes of many users, written as for Flask, with Flask-SQLAlchemy, Flask-Login and Flask-WTF: see test_extensions.

It says ``import flask`` and knows nothing of asyncflask. ``NOTES`` names the file of its database.
"""

from __future__ import annotations

import asyncio
import collections
import os
import threading
import time

import sqlalchemy as sa
from flask import Flask, abort, g, jsonify, redirect, render_template_string, request, stream_with_context, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFProtect, generate_csrf
from wtforms import StringField
from wtforms.validators import DataRequired

app = Flask(__name__)
app.config.update(SECRET_KEY="a secret", SQLALCHEMY_DATABASE_URI=f"sqlite:///{os.environ['NOTES']}")
db, login = SQLAlchemy(app), LoginManager(app)
login.login_view = "sign_in"
counts, counting = collections.Counter(), threading.Lock()


def count(what):
    with counting:
        counts[what] += request.endpoint != "figures"


class User(UserMixin, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), unique=True, nullable=False)


class Note(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String(200), nullable=False)
    user_id = db.Column(db.ForeignKey("user.id"), nullable=False)
    user = db.relationship("User", backref="notes")


class SignIn(FlaskForm):
    name = StringField(validators=[DataRequired()])


@login.user_loader
def load_user(id):
    return db.session.get(User, int(id))


@app.before_request
def begin():
    count("begun")
    g.tag = request.headers.get("X-Tag")


CSRFProtect(app)  # its hook comes after ours


@app.after_request
def stamp(response):
    response.headers["X-Tag"] = f"{g.tag} of {current_user.name if current_user.is_authenticated else 'nobody'}"
    return response


@app.teardown_request
def end(error):
    count("ended")


@app.route("/sign-in", methods=["GET", "POST"])
def sign_in():
    form = SignIn()
    if form.validate_on_submit():
        user = db.session.scalar(sa.select(User).filter_by(name=form.name.data)) or User(name=form.name.data)
        db.session.add(user)
        db.session.commit()
        login_user(user)
        return redirect(url_for("notes"))
    return render_template_string("{{ form.csrf_token }}", form=form), 400 if form.errors else 200


@app.post("/sign-out")
@login_required
def sign_out():
    logout_user()
    return redirect(url_for("sign_in"))


@app.route("/notes", methods=["GET", "POST"])
@login_required
def notes():
    if request.method == "POST":
        db.session.add(Note(text=request.form["text"], user=current_user))
        db.session.commit()
    return jsonify(token=generate_csrf(), notes=[note.text for note in current_user.notes])


@app.get("/who")
@login_required
def who():
    before = current_user.name
    time.sleep(0.002)  # lets the others in
    return {"before": before, "after": current_user.name, "tag": g.tag}


@app.get("/who-async")
@login_required
async def who_async():
    before = current_user.name
    await asyncio.sleep(0.002)
    return {"before": before, "after": current_user.name, "tag": g.tag}


@app.get("/stream")
@login_required
def stream():
    def lines():
        for note in db.session.scalars(sa.select(Note).filter_by(user_id=current_user.id)):
            yield f"{note.text}\n"

    return stream_with_context(lines())


@app.get("/fail")
@login_required
def fail():
    db.session.add(Note(text="never", user=current_user))
    db.session.flush()
    abort(503)


@app.get("/figures")
def figures():
    never = db.session.scalar(sa.select(sa.func.count()).select_from(Note).filter_by(text="never"))
    db.session.remove()  # the one of this request
    left = {"connections": db.engine.pool.checkedout(), "sessions": len(db.session.registry.registry)}
    with counting:
        return jsonify(never=never, **left, **counts)


with app.app_context():
    db.create_all()
